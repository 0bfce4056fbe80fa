#include <cerrno>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ringo/io/file.hpp>
#include <ringo/io/pipe.hpp>

#include "io/open_file.hpp"

/// How files come into being.

namespace ringo::io {
namespace detail {
namespace {

using ringo::detail::descriptor_kind;

std::error_code last_error() noexcept {
  return {errno, std::system_category()};
}

/// poll(2) calls everything ready that it knows nothing of; epoll refuses it.
bool can_be_waited_for(int fd) noexcept {
  const int set = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  const bool can = ::epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0;
  ::close(set);
  return can;
}

descriptor_kind kind_of(int fd, const struct stat& status) noexcept {
  switch (status.st_mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFBLK: return descriptor_kind::file;
    case S_IFSOCK: return descriptor_kind::socket;
    case S_IFIFO: return descriptor_kind::stream;
    default: return can_be_waited_for(fd) ? descriptor_kind::stream : descriptor_kind::file;
  }
}

}  // namespace

result<descriptor_kind> prepare_number(int fd, blocking_mode mode) noexcept {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return last_error();
  const descriptor_kind kind = kind_of(fd, status);
  if (kind != descriptor_kind::stream) return kind;
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return last_error();
  if ((flags & O_NONBLOCK) != 0) return kind;
  if (mode == blocking_mode::keep) return descriptor_kind::shared_stream;
  if (::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return last_error();
  return kind;
}

}  // namespace detail

result<file> file::from_fd(int fd) {
  const auto kind = detail::prepare_number(fd, detail::blocking_mode::clear);
  if (!kind) return kind.error();
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return detail::last_error();
  return detail::file_access::make(fd, *kind, (flags & O_APPEND) != 0);
}

result<pipe_ends> pipe() {
  int fds[2] = {-1, -1};  // NOLINT(modernize-avoid-c-arrays): as pipe2(2) wants it
  if (::pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) return detail::last_error();
  using ringo::detail::descriptor_kind;
  return pipe_ends{detail::file_access::make(fds[0], descriptor_kind::stream, false),
                   detail::file_access::make(fds[1], descriptor_kind::stream, false)};
}

}  // namespace ringo::io
