#include <ringo/io/read_dir.hpp>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <ringo/blocking.hpp>
#include <ringo/context.hpp>

#include "io/open_file.hpp"
#include "sched/cancellation.hpp"

namespace ringo::io {
namespace {

struct close_directory {
  void operator()(DIR* one) const noexcept { ::closedir(one); }
};
using open_directory = std::unique_ptr<DIR, close_directory>;

/// Some file systems leave the kind out.
file_kind kind_of(const DIR* in, const dirent& entry) noexcept {
  if (entry.d_type != DT_UNKNOWN)
    return detail::kind_of_mode(static_cast<std::uint32_t>(DTTOIF(entry.d_type)));
  struct stat status {};
  const int number = ::dirfd(const_cast<DIR*>(in));
  if (::fstatat(number, entry.d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) return file_kind::unknown;
  return detail::kind_of_mode(status.st_mode);
}

/// Zero, or errno. Blocks the thread.
int list(const std::string& path, std::vector<directory_entry>& into) {
  const open_directory directory(::opendir(path.c_str()));
  if (directory == nullptr) return errno;
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(directory.get());  // NOLINT(concurrency-mt-unsafe): ours
    if (entry == nullptr) return errno;
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    into.push_back({std::move(name), kind_of(directory.get(), *entry)});
  }
}

result<std::vector<directory_entry>> read(const std::string& path,
                                          ringo::detail::cancellation* stop) {
  if (const auto code = ringo::detail::code_if_done(stop)) return code;
  if (detail::has_zero_byte(path)) return std::make_error_code(std::errc::invalid_argument);
  try {
    std::vector<directory_entry> entries;
    const int failed = ringo::blocking([&] { return list(path, entries); });
    if (failed != 0) return std::error_code(failed, std::system_category());
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
      return a.name < b.name;
    });
    return entries;
  } catch (const std::bad_alloc&) {
    return std::make_error_code(std::errc::not_enough_memory);
  }
}

}  // namespace

result<std::vector<directory_entry>> read_dir(const std::string& path) {
  return read(path, nullptr);
}

result<std::vector<directory_entry>> read_dir(const ringo::context& ctx, const std::string& path) {
  return read(path, ringo::detail::cancellation_of(ctx));
}

}  // namespace ringo::io
