#pragma once

namespace ringo {

/// Keeps the calling fiber on its thread, and every other fiber off that thread, for a scope: Go's
/// LockOSThread. For libraries that tie state to a thread. Pins nest.
///
/// A pinned fiber that blocks costs a switch of threads each time it blocks and wakes; meanwhile another
/// thread runs the other fibers. Does nothing on a plain thread. Not for use from another fiber than the
/// one that made it.
class [[nodiscard]] thread_pin {
 public:
  thread_pin() noexcept;
  thread_pin(const thread_pin&) = delete;
  thread_pin& operator=(const thread_pin&) = delete;
  ~thread_pin();
};

}  // namespace ringo
