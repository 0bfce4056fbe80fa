#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <ringo/sync/mutex.hpp>

namespace ringo::net::detail {

/// Tells one state of a file from another. All zero: there is no file.
using file_state = std::array<std::int64_t, 7>;

/// Of the file at `path` now.
file_state state_of(const std::string& path);

/// What is in the file, and its state then; "" when it cannot be read. Blocks only the fiber.
std::pair<std::string, file_state> read_file(const std::string& path);

/// What a small file says, which is read again when it has changed. Each look asks the system for
/// the file's state, and nothing more if that is as before. Thread-safe. Blocks only the fiber.
template <typename T>
class watched_file {
 public:
  watched_file(std::string path, std::function<T(const std::string& text)> parse)
      : path_(std::move(path)), parse_(std::move(parse)) {}

  /// What it says now; stays valid when the file changes. A file that is not there says nothing.
  std::shared_ptr<const T> get() {
    const std::lock_guard guard(lock_);
    if (!parsed_ || state_of(path_) != state_) {
      auto [text, state] = read_file(path_);
      parsed_ = std::make_shared<const T>(parse_(text));
      state_ = state;
    }
    return parsed_;
  }

 private:
  const std::string path_;
  const std::function<T(const std::string& text)> parse_;
  mutex lock_;  // held while the file is read
  std::shared_ptr<const T> parsed_;
  file_state state_{};
};

}  // namespace ringo::net::detail
