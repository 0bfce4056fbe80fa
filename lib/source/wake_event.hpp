#pragma once

#include <system_error>

namespace ringo::detail {

/// An eventfd that an engine watches edge-triggered and nobody ever reads: each write is an edge,
/// and a write that comes before the wait is not lost.
class wake_event {
 public:
  wake_event() = default;
  wake_event(const wake_event&) = delete;
  wake_event& operator=(const wake_event&) = delete;
  ~wake_event();

  std::error_code open() noexcept;
  int fd() const noexcept { return fd_; }
  /// Any thread, and signal handlers.
  void signal() noexcept;

 private:
  int fd_ = -1;
};

}  // namespace ringo::detail
