#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <ringo/detail/cancellable.hpp>
#include <ringo/result.hpp>

namespace ringo::io {

/// What a name in the file system stands for.
enum class file_kind : std::uint8_t {
  unknown,  ///< the file system did not say
  regular,
  directory,
  symlink,
  pipe,  ///< a FIFO too
  socket,
  character_device,  ///< a terminal, say
  block_device
};

/// What is known about a file: Go's os.FileInfo.
struct file_info {
  file_kind kind = file_kind::unknown;
  std::int64_t size = 0;          ///< in bytes, of a regular file
  std::uint32_t permissions = 0;  ///< the nine bits, and set-user-id, set-group-id and sticky
  std::chrono::system_clock::time_point modified;
  std::uint64_t device = 0;  ///< with `inode` a number that no other file has
  std::uint64_t inode = 0;
  std::uint64_t links = 0;
  std::uint32_t user = 0;
  std::uint32_t group = 0;
};

/// What is known about the file of that name; a symbolic link is followed. Blocks; a context that
/// is done on entry wins, and does not stop a call under way. Errors: ENOENT, EACCES, ENOTDIR;
/// EINVAL for a zero byte. Source: Go's os.Stat.
result<file_info> stat(const std::string& path);
result<file_info> stat(const context& ctx, const std::string& path);

}  // namespace ringo::io
