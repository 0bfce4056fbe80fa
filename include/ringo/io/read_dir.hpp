#pragma once

#include <string>
#include <vector>

#include <ringo/detail/cancellable.hpp>
#include <ringo/io/file_info.hpp>
#include <ringo/result.hpp>

namespace ringo::io {

/// A name in a directory.
struct directory_entry {
  std::string name;
  file_kind kind = file_kind::unknown;  ///< of the name itself: a symbolic link is not followed
};

/// What is in a directory, sorted by name; "." and ".." are left out. Blocks; a context that is
/// done on entry wins, and does not stop a call under way. Errors: ENOENT, ENOTDIR, EACCES, EMFILE;
/// EINVAL for a zero byte. Source: Go's os.ReadDir.
result<std::vector<directory_entry>> read_dir(const std::string& path);
result<std::vector<directory_entry>> read_dir(const context& ctx, const std::string& path);

}  // namespace ringo::io
