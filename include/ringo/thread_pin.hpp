#pragma once

namespace ringo {

/// Keeps the calling fiber on its thread, and every other fiber off that thread, for a scope. For
/// libraries that tie state to a thread. Pins nest.
///
/// What the fiber makes of its thread (signal mask, affinity, a namespace of its own) no other
/// fiber meets while the pin lasts, and threads that ringo starts meanwhile do not inherit it. It
/// must put it back before the pin ends: the thread is everybody's again then. A pin that is never
/// destroyed keeps the thread from all fibers for the rest of the run, also after its own has
/// ended; that is Go's way to get rid of a thread that cannot be put back.
///
/// A pinned fiber that blocks costs a switch of threads each time it blocks and wakes; meanwhile
/// another thread runs the other fibers. Does nothing on a plain thread.
/// Source: Go's runtime.LockOSThread.
class [[nodiscard]] thread_pin {
 public:
  /// Pins the calling fiber. Never blocks. When the fiber first waits a thread may have to be
  /// started for the others; fatal then: "thread limit reached". O(1), allocates nothing.
  thread_pin() noexcept;
  thread_pin(const thread_pin&) = delete;
  thread_pin& operator=(const thread_pin&) = delete;
  /// Ends the pin, the outermost one for good. Must run on the fiber that made it, before that
  /// fiber ends, if at all. Never blocks.
  ~thread_pin();
};

}  // namespace ringo
