#pragma once

#include <atomic>
#include <cstdint>

#include <ringo/io/file.hpp>
#include <ringo/result.hpp>

#include "io/descriptor.hpp"

namespace ringo::io::detail {

/// What the handles of a file share.
struct open_file {
  ringo::detail::descriptor number;
  const bool appends;
  std::atomic<std::uint32_t> handles{1};

  open_file(int fd, ringo::detail::descriptor_kind kind, bool to_the_end) noexcept
      : number(fd, kind), appends(to_the_end) {}
};

/// Makes a handle; the number is what `kind` wants it to be.
struct file_access {
  static file make(int fd, ringo::detail::descriptor_kind kind, bool appends) {
    return file(file_ref(new open_file(fd, kind, appends)));
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

}  // namespace ringo::io::detail
