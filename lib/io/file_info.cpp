#include <ringo/io/file_info.hpp>

#include <cerrno>
#include <system_error>

#include <sys/stat.h>

#include <ringo/blocking.hpp>
#include <ringo/context.hpp>

#include "io/open_file.hpp"
#include "sched/cancellation.hpp"

namespace ringo::io {
namespace detail {

file_kind kind_of_mode(std::uint32_t mode) noexcept {
  switch (mode & S_IFMT) {
    case S_IFREG: return file_kind::regular;
    case S_IFDIR: return file_kind::directory;
    case S_IFLNK: return file_kind::symlink;
    case S_IFIFO: return file_kind::pipe;
    case S_IFSOCK: return file_kind::socket;
    case S_IFCHR: return file_kind::character_device;
    case S_IFBLK: return file_kind::block_device;
    default: return file_kind::unknown;
  }
}

file_info info_of(const struct stat& status) noexcept {
  constexpr std::uint32_t permission_bits = 07777;
  const auto modified = std::chrono::seconds(status.st_mtim.tv_sec) +
                        std::chrono::nanoseconds(status.st_mtim.tv_nsec);
  using clock = std::chrono::system_clock;
  return {.kind = kind_of_mode(status.st_mode),
          .size = status.st_size,
          .permissions = status.st_mode & permission_bits,
          .modified = clock::time_point(std::chrono::duration_cast<clock::duration>(modified)),
          .device = status.st_dev,
          .inode = status.st_ino,
          .links = status.st_nlink,
          .user = status.st_uid,
          .group = status.st_gid};
}

}  // namespace detail

namespace {

result<file_info> ask(const std::string& path, ringo::detail::cancellation* stop) {
  if (const auto code = ringo::detail::code_if_done(stop)) return code;
  if (detail::has_zero_byte(path)) return std::make_error_code(std::errc::invalid_argument);
  struct stat status {};
  const int failed = ringo::blocking([&] {
    while (::stat(path.c_str(), &status) != 0) {
      if (errno != EINTR) return errno;
    }
    return 0;
  });
  if (failed != 0) return std::error_code(failed, std::system_category());
  return detail::info_of(status);
}

}  // namespace

result<file_info> stat(const std::string& path) {
  return ask(path, nullptr);
}

result<file_info> stat(const ringo::context& ctx, const std::string& path) {
  return ask(path, ringo::detail::cancellation_of(ctx));
}

}  // namespace ringo::io
