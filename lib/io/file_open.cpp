#include <cerrno>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ringo/blocking.hpp>
#include <ringo/context.hpp>
#include <ringo/io/file.hpp>
#include <ringo/io/pipe.hpp>

#include "io/open_file.hpp"
#include "sched/cancellation.hpp"

/// How files come into being.

namespace ringo::io {
namespace detail {
namespace {

using ringo::detail::descriptor_kind;

std::error_code last_error() noexcept {
  return {errno, std::system_category()};
}

/// A stream, if it can be waited for: poll(2) calls everything ready that it knows nothing of;
/// epoll refuses it.
result<descriptor_kind> kind_of_device(int fd) noexcept {
  const int set = ::epoll_create1(EPOLL_CLOEXEC);
  if (set < 0) return last_error();
  epoll_event event{};
  event.events = EPOLLIN;
  const bool can_be_waited_for = ::epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0;
  ::close(set);
  return can_be_waited_for ? descriptor_kind::stream : descriptor_kind::file;
}

result<descriptor_kind> kind_of(int fd, const struct stat& status) noexcept {
  switch (status.st_mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFBLK: return descriptor_kind::file;
    case S_IFSOCK: return ringo::detail::kind_of_socket(fd);
    case S_IFIFO: return descriptor_kind::stream;
    default: return kind_of_device(fd);
  }
}

/// -1: it makes no sense.
int flags_of(const open_options& how) noexcept {
  if ((!how.read && !how.write) || (how.truncate && !how.write)) return -1;
  if (how.exclusive && !how.create) return -1;
  int flags = O_CLOEXEC | O_NOCTTY;
  flags |= how.write ? (how.read ? O_RDWR : O_WRONLY) : O_RDONLY;
  if (how.append) flags |= O_APPEND;
  if (how.create) flags |= O_CREAT;
  if (how.exclusive) flags |= O_EXCL;
  if (how.truncate) flags |= O_TRUNC;
  if (how.sync) flags |= O_SYNC;
  return flags;
}

/// The number, or -errno. Blocks.
int open_number(const std::string& path, int flags, std::uint32_t permissions) {
  return ringo::blocking([&] {
    for (;;) {
      const int fd = ::open(path.c_str(), flags, static_cast<mode_t>(permissions));
      if (fd >= 0) return fd;
      if (errno != EINTR) return -errno;
    }
  });
}

}  // namespace

result<file> open_path(const std::string& path,
                       const open_options& how,
                       ringo::detail::cancellation* stop) {
  if (const auto code = ringo::detail::code_if_done(stop)) return code;
  const int flags = flags_of(how);
  if (flags < 0 || has_zero_byte(path)) return std::make_error_code(std::errc::invalid_argument);
  const int fd = open_number(path, flags, how.permissions);
  if (fd < 0) return std::error_code(-fd, std::system_category());
  const auto kind = prepare_number(fd, blocking_mode::clear);
  if (kind) return file_access::make(fd, *kind, file_mode::of(flags));
  ::close(fd);
  return kind.error();
}

result<descriptor_kind> prepare_number(int fd, blocking_mode mode) noexcept {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return last_error();
  const auto kind = kind_of(fd, status);
  if (!kind || *kind != descriptor_kind::stream) return kind;
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
  return detail::file_access::make(fd, *kind, detail::file_mode::of(flags));
}

result<file> file::open(const std::string& path, const open_options& how) {
  return detail::open_path(path, how, nullptr);
}

result<file> file::open(const ringo::context& ctx,
                        const std::string& path,
                        const open_options& how) {
  return detail::open_path(path, how, ringo::detail::cancellation_of(ctx));
}

namespace {

open_options of_created(std::uint32_t permissions) noexcept {
  return {.write = true, .create = true, .truncate = true, .permissions = permissions};
}

}  // namespace

result<file> file::create(const std::string& path, std::uint32_t permissions) {
  return detail::open_path(path, of_created(permissions), nullptr);
}

result<file> file::create(const ringo::context& ctx,
                          const std::string& path,
                          std::uint32_t permissions) {
  return detail::open_path(path, of_created(permissions), ringo::detail::cancellation_of(ctx));
}

result<pipe_ends> pipe() {
  int fds[2] = {-1, -1};  // NOLINT(modernize-avoid-c-arrays): as pipe2(2) wants it
  if (::pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) return detail::last_error();
  using ringo::detail::descriptor_kind;
  return pipe_ends{detail::file_access::make(fds[0], descriptor_kind::stream),
                   detail::file_access::make(fds[1], descriptor_kind::stream)};
}

}  // namespace ringo::io
