#pragma once

#include <atomic>
#include <system_error>

#include <ringo/detail/intrusive_list.hpp>
#include <ringo/detail/spinlock.hpp>

#include "source/clock.hpp"
#include "source/timer_heap.hpp"

/// The hook on which blocking operations give up: a flag, a code, and those who listen for it.
/// Contexts are built on it; the layers below know only this.
///
/// Protocol:
/// 1. An operation that is about to wait adds a listener, from its departure's `after` (so that the
/// fiber is at rest
///    when the listener fires). Refused: it is done already, and the operation gives up at once.
/// 2. cancel() takes every listener out and calls its `fire`, all under the lock; `fire` wins or
/// loses the operation's
///    own decision, and hands the fiber to `ready` if it won. After the lock is released the fibers
///    are readied.
/// 3. An operation that ends for another reason removes its listener. After remove() nobody touches
/// the listener.

namespace ringo::detail {

class cancellation {
 public:
  struct listener {
    listener* next = nullptr;  // guarded by the lock of the cancellation, as is all below
    listener* prev = nullptr;
    bool linked = false;
    void (*fire)(listener& self,
                 fiber_queue& ready) noexcept = nullptr;  // neither blocks nor takes this lock
  };

  cancellation() = default;
  cancellation(const cancellation&) = delete;
  cancellation& operator=(const cancellation&) = delete;
  ~cancellation() = default;  // no listener may be left

  /// The code given to cancel() is visible once this is true.
  bool done() const noexcept {
    return done_.load(std::memory_order_acquire);  // pairs with cancel()
  }
  /// Why; empty while alive.
  std::error_code code() const noexcept { return done() ? code_ : std::error_code{}; }

  /// Only the first call has an effect; true for it. Never blocks. O(listeners).
  bool cancel(std::error_code why) noexcept;

  /// By the fiber whose departure will call add(): what it did before is seen by cancel().
  void prepare_add() noexcept { lock_.prepare_handover(); }
  /// False: done already.
  bool add(listener& l) noexcept;
  /// False: it has fired, or was never added.
  bool remove(listener& l) noexcept;

 private:
  spinlock lock_;
  std::atomic<bool> done_{false};
  std::error_code code_;  // written before done_, immutable after
  intrusive_list<listener> listeners_ RINGO_GUARDED_BY(lock_);
};

/// sleep_until() that gives up: empty when the time has come, else the code. A cancellation that is
/// done on entry wins.
std::error_code sleep_until_time(cancellation& stop, time_point deadline) noexcept;

}  // namespace ringo::detail
