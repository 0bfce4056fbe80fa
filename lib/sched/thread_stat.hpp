#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace ringo::detail {

/// What the kernel says of a thread of this process. Source: proc_pid_stat(5).
class thread_stat {
 public:
  /// Reads files, and does not allocate but for stdio's buffer.
  explicit thread_stat(int thread) noexcept;
  thread_stat(const thread_stat&) = delete;
  thread_stat& operator=(const thread_stat&) = delete;

  /// False: the thread is gone.
  bool known() const noexcept { return known_; }
  std::string_view name() const noexcept { return name_; }
  /// It has a CPU or wants one.
  bool wants_cpu() const noexcept { return state_ == 'R'; }
  /// It runs no user code any more, but is listed for a moment after it has been joined.
  bool exits() const noexcept { return exits_; }

 private:
  std::array<char, 512> text_;
  std::string_view name_;  // in text_
  bool known_ = false;
  char state_ = '?';
  bool exits_ = false;
};

}  // namespace ringo::detail
