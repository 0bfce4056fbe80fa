#include "io/kernel_calls.hpp"

#include <cerrno>
#include <type_traits>

#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/broken_pipe.hpp"

namespace ringo::io::detail {
namespace {

using ringo::detail::descriptor;
using ringo::detail::descriptor_kind;

/// errno is only read, as in system_call.cpp.
template <typename Call>
std::int64_t repeat(Call call) noexcept {
  for (;;) {
    const ssize_t result = call();
    if (result >= 0) return result;
    if (errno != EINTR) return -errno;
  }
}

/// The same, without SIGPIPE.
template <typename Call>
std::int64_t repeat_unsignaled(std::size_t size, Call call) noexcept {
  return repeat([&]() noexcept {
    return ringo::detail::call_masked(
        [](void* of) { return (*static_cast<Call*>(of))(); }, &call, size);
  });
}

end_kind look_at(descriptor_kind kind, int fd) noexcept {
  struct stat status {};
  switch (kind) {
    case descriptor_kind::file:
      return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? end_kind::file
                                                                  : end_kind::other;
    case descriptor_kind::stream:
      return ::fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode) ? end_kind::pipe
                                                                   : end_kind::other;
    case descriptor_kind::tcp:
    case descriptor_kind::socket: {
      int type = 0;
      socklen_t size = sizeof(type);
      if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return end_kind::other;
      // Unlike recv(2) and send(2) these calls have no flag of their own for it.
      const bool never_waits = (::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
      return type == SOCK_STREAM && never_waits ? end_kind::socket : end_kind::other;
    }
    case descriptor_kind::shared_stream: break;  // it may wait
  }
  return end_kind::other;
}

}  // namespace

end_kind kind_of(descriptor& d) noexcept {
  end_kind found = end_kind::other;
  static_cast<void>(d.with_number([&](int fd) noexcept {
    found = look_at(d.kind(), fd);
    return 0;
  }));
  return found;
}

std::uint64_t rest_of_file(descriptor& file) noexcept {
  std::uint64_t rest = 0;
  static_cast<void>(file.with_number([&](int fd) noexcept {
    struct stat status {};
    const off_t at = ::lseek(fd, 0, SEEK_CUR);
    if (at >= 0 && ::fstat(fd, &status) == 0 && status.st_size > at) {
      rest = static_cast<std::uint64_t>(status.st_size - at);
    }
    return 0;
  }));
  return rest;
}

std::int64_t send_file(int file, int socket, std::size_t size) noexcept {
  return repeat_unsignaled(size,
                           [=]() noexcept { return ::sendfile(socket, file, nullptr, size); });
}

std::int64_t copy_range(int from, int to, std::size_t size) noexcept {
  return repeat([=]() noexcept { return ::copy_file_range(from, nullptr, to, nullptr, size, 0); });
}

std::int64_t splice_to(int from, int to, std::size_t size, end_kind target) noexcept {
  const auto call = [=]() noexcept {
    return ::splice(from, nullptr, to, nullptr, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  };
  const bool keeps_signal = to == STDOUT_FILENO || to == STDERR_FILENO;
  if (target == end_kind::pipe && keeps_signal) return repeat(call);
  const std::int64_t result = repeat_unsignaled(size, call);
  if (result == -EPIPE && target == end_kind::pipe) ringo::detail::tell_of_broken_pipe();
  return result;
}

bool is_refusal(std::int64_t result) noexcept {
  switch (-result) {
    case EINVAL:
    case EBADF:  // a file that is open for appending
    case EXDEV:
    case EOPNOTSUPP:
    case ENOSYS:
    case EPERM:  // a sandbox, or an immutable file, which the loop will tell
    case EACCES:
    case ESPIPE:
    case EOVERFLOW:
    case ENOBUFS:
    case ENOMEM: return true;
    default: return false;
  }
}

bool only_lacks_room(int from, int to) noexcept {
  pollfd ends[2] = {{from, POLLIN, 0}, {to, POLLOUT, 0}};
  if (::poll(ends, 2, 0) < 0) return false;
  return ends[0].revents != 0 && ends[1].revents == 0;
}

}  // namespace ringo::io::detail
