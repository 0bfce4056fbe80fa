#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include <ringo/io/file.hpp>
#include <ringo/io/file_info.hpp>
#include <ringo/result.hpp>

#include "io/descriptor.hpp"

struct stat;

namespace ringo::io::detail {

using ringo::detail::file_mode;

/// What the handles of a file share.
struct open_file {
  ringo::detail::descriptor number;
  const bool appends;
  std::atomic<std::uint32_t> handles{1};

  open_file(int fd, ringo::detail::descriptor_kind kind, file_mode mode) noexcept
      : number(fd, kind, mode), appends(mode.appends) {}
};

/// Makes a handle; the number is what `kind` wants it to be.
struct file_access {
  static file make(int fd, ringo::detail::descriptor_kind kind, file_mode mode = {}) {
    return file(file_ref(new open_file(fd, kind, mode)));
  }
  /// Null: nil.
  static ringo::detail::descriptor* descriptor_of(const file& f) noexcept {
    open_file* const opened = f.file_.get();
    return opened != nullptr ? &opened->number : nullptr;
  }
};

/// What to do about the blocking mode of the open file description, which others may share.
enum class blocking_mode : std::uint8_t { clear, keep };

/// Finds out what a number is. Clears the blocking mode of what can be waited for, or gets along
/// with it. Not that of sockets: their calls do not depend on it.
result<ringo::detail::descriptor_kind> prepare_number(int fd, blocking_mode mode) noexcept;

file_info info_of(const struct stat& status) noexcept;
/// Of a mode as stat(2) gives it.
file_kind kind_of_mode(std::uint32_t mode) noexcept;

inline bool has_zero_byte(const std::string& path) noexcept {
  return path.find('\0') != std::string::npos;
}

/// open() with a cancellation, which may be null.
result<file> open_path(const std::string& path,
                       const open_options& how,
                       ringo::detail::cancellation* stop);

}  // namespace ringo::io::detail
