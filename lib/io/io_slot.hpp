#pragma once

#include <atomic>
#include <cstdint>

#include <ringo/detail/spinlock.hpp>

#include "source/clock.hpp"
#include "source/operation.hpp"
#include "source/poll_entry.hpp"
#include "source/timer_heap.hpp"

/// Where one wait at a time is found, by close(), by deadlines and by those who move them: a
/// direction of a descriptor.
///
/// Nobody tells the fiber why it was woken: it looks at the state of things again, each time,
/// before it waits. So a wake-up that comes for a reason which has gone meanwhile (a deadline that
/// was moved) does no harm, and whoever changes the state changes it first and looks for the wait
/// then.
///
/// A wait is for readiness, and found in the poll_entry, or for an operation, and then listed here.
/// Calling it off: announce in the entry, if there is one; under the lock, cancel what is listed.
///
/// Steps of a deadline that passes, as the timer fires: note that no timer is set; call off. Either
/// the wait is found, or it sees that it is not covered.
/// Steps of who moves a deadline: store it; call off unless the timer covers it: the fiber will set
/// it anew. Only the holder of the turn sets the timer, before it waits.
/// Steps of close(): mark the descriptor closed, and under the lock the slot; call off.
///
/// The lock nests inside that of a timer heap.

namespace ringo::detail {

struct io_slot {
  // In real time; never: none. Atomic: any thread may move it.
  std::atomic<time_point> deadline{never};
  // Null until the first wait for readiness. Atomic: set by a holder of a turn.
  std::atomic<poll_entry*> entry{nullptr};
  const poll_entry::direction way;
  spinlock lock;
  operation* listed RINGO_GUARDED_BY(lock) = nullptr;
  bool closed RINGO_GUARDED_BY(lock) = false;
  // Without a deadline nobody looks at the rest.
  // What the timer is set for; never: it is not set. Atomic: set by the holder of the turn, cleared
  // as it fires.
  std::atomic<time_point> timer_due{never};
  timer_node timer;  // the holder's of the turn; at the end close()'s

  explicit io_slot(poll_entry::direction d) noexcept : way(d) { timer.fire = &io_slot::fire; }
  io_slot(const io_slot&) = delete;
  io_slot& operator=(const io_slot&) = delete;
  ~io_slot() = default;

  bool covered() const noexcept {
    const time_point until = deadline.load();
    return until == never || timer_due.load() <= until;
  }
  bool expired() const noexcept {
    const time_point until = deadline.load(std::memory_order_relaxed);  // relaxed: looked at anew
    return until != never && until <= steady_clock::now();
  }
  /// Any thread; never blocks.
  void move_deadline(time_point to) noexcept;
  /// Whoever waits is called off, and nobody will wait any more. Any thread; never blocks.
  void close() noexcept;
  /// Nobody waits, nor will: lets go of the timer.
  void retire() noexcept;
  /// By the holder of the turn.
  void cover() {
    if (RINGO_UNLIKELY(!covered())) set_timer();
  }

 private:
  void set_timer();
  fiber* call_off_entry() noexcept;
  static void fire(timer_node& timer, time_point due, fiber_queue& ready) noexcept;
};

/// By who has found it listed, with that place's lock. Not null: to be made ready.
[[nodiscard]] fiber* cancel_listed(operation& op) noexcept;

}  // namespace ringo::detail
