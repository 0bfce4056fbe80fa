#pragma once

#include <atomic>
#include <system_error>

namespace ringo::detail {

/// An eventfd that an engine watches edge-triggered and nobody ever reads: each write is an edge,
/// and a write that comes before the wait is not lost.
///
/// Who reaps for another thread may fetch the edge that was meant to end that thread's wait:
///   waiter:  1. sleeping = true   2. woken? then do not sleep   3. sleep
///   reaper:  1. woken = true      2. sleeping? then signal again
/// Either the waiter sees `woken`, or the reaper sees `sleeping`.
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

  /// By the waiter. False: it was woken already, and does not sleep.
  [[nodiscard]] bool sleep_begins() noexcept {
    sleeping_.exchange(true);
    return !woken_.exchange(false);
  }
  void sleep_ends() noexcept { sleeping_.store(false); }
  /// By whoever has fetched the edge outside of a wait, or has something for the waiter that can
  /// wait while that is busy.
  void taken() noexcept {
    woken_.exchange(true);
    if (sleeping_.load()) signal();
  }

 private:
  int fd_ = -1;
  // Atomic: see above.
  std::atomic<bool> sleeping_{false};
  std::atomic<bool> woken_{false};
};

}  // namespace ringo::detail
