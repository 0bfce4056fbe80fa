#include "base/write_all.hpp"

#include <cerrno>

#include <poll.h>
#include <unistd.h>

namespace ringo::detail {

std::error_code write_all(int fd, const char* text, std::size_t size) noexcept {
  while (size > 0) {
    const ssize_t written = ::write(fd, text, size);
    const int error = errno;
    if (written >= 0) {
      text += written;
      size -= static_cast<std::size_t>(written);
    } else if (error == EAGAIN) {
      pollfd room{fd, POLLOUT, 0};
      ::poll(&room, 1, -1);
    } else if (error != EINTR) {
      return {error, std::system_category()};
    }
  }
  return {};
}

}  // namespace ringo::detail
