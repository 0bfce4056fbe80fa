#include "io/shared_stream.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>

#include <fcntl.h>
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/broken_pipe.hpp"

namespace ringo::detail {
namespace {

/// What a device or an old kernel says to a flag of preadv2(2).
bool unknown_flag(ssize_t result) noexcept {
  return result < 0 && (errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS);
}

/// False: not now, and errno says why.
bool is_ready(int fd, short event) noexcept {
  pollfd polled{fd, event, 0};
  const int count = ::poll(&polled, 1, 0);
  if (count == 0) errno = EAGAIN;
  return count > 0;
}

}  // namespace

ssize_t read_shared(int fd, void* to, std::size_t size) noexcept {
  iovec piece{to, size};
  const ssize_t result = ::preadv2(fd, &piece, 1, -1, RWF_NOWAIT);
  if (!unknown_flag(result)) return result;
  return is_ready(fd, POLLIN) ? ::read(fd, to, size) : -1;
}

ssize_t write_shared(int fd, const void* from, std::size_t size) noexcept {
  // Standard output keeps its signal; for others, no call without the flag that keeps it away.
  const bool standard = fd == STDOUT_FILENO || fd == STDERR_FILENO;
  if (standard || no_signal_flag() != 0) {
    iovec piece{const_cast<void*>(from), size};  // only read
    const int flags = RWF_NOWAIT | (standard ? 0 : no_signal_flag());
    const ssize_t result = ::pwritev2(fd, &piece, 1, -1, flags);
    if (result < 0 && errno == EPIPE && !standard) tell_of_broken_pipe();
    if (!unknown_flag(result)) return result;
  }
  if (!is_ready(fd, POLLOUT)) return -1;
  // There is room for so much in a pipe that is writable, and a write of more would block.
  return write_unsignaled(fd, from, std::min<std::size_t>(size, PIPE_BUF));
}

int reopen_terminal(int fd) noexcept {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::isatty(fd) == 0) return -1;
  std::array<char, 32> path{};
  std::snprintf(path.data(), path.size(), "/proc/self/fd/%d", fd);
  return ::open(path.data(), (flags & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

}  // namespace ringo::detail
