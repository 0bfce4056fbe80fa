#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include <ringo/detail/assert.hpp>
#include <ringo/detail/chan_core.hpp>
#include <ringo/detail/spinlock.hpp>
#include <ringo/detail/timer_handle.hpp>

#include "sched/bubble.hpp"
#include "source/timer_heap.hpp"

/// The timers behind timer, ticker, after and after_func.
///
/// A channel's timer feeds a buffer of one element, which len() and cap() do not show: to its users
/// the channel is an unbuffered one whose sender waits, and can be called off.
///
/// Locks: the timer's `lock`, then (one after the other) the heap's or the channel's. `fire` runs
/// under the heap's lock and takes the channel's, never the timer's. `lock` is outside all others.
///
/// Start, under `lock` unless the timer is new and nobody else knows it; it is not linked, and the
/// buffer is empty:
/// 1. Set the period.
/// 2. The deadline never comes: note it in `waits_forever`; done.
/// 3. Of a function: count a reference, which is the heap's.
/// 4. Link the timer.
///
/// Firing, under the heap's lock:
/// 1. The heap has unlinked the timer or, for a ticker, moved it to its next deadline.
/// 2. Of a channel: hand the deadline to a receiver that waits, or put it into the buffer; a full
///    buffer drops it.
/// 3. Of a function: a new fiber takes over the heap's reference. From here on the timer may be
/// gone.
///
/// Stop, under `lock`:
/// 1. Take the timer out of its heap. When that has returned `fire` is over, and cannot begin again
///    before the next start, which needs `lock`.
/// 2. Take back what is in the buffer. That must be the second step: the first one may wait for a
///    `fire` that is just filling it.
/// 3. One of the two found something, or the timer was waiting for ever: it was active.
/// Reset is stop and start under one hold of `lock`.
///
/// Invariants:
/// - `lock` free: the timer is linked, or `waits_forever`, or fired, or stopped; and a value in the
///   buffer belongs to the latest start.
/// - Stop has found nothing: the value of the latest start has been received, or will be by a fiber
///   that took it; or the timer had been stopped.
/// - A channel's timer lives as long as the channel. The last handle of the channel detaches it:
///   out of the heap, which waits for a `fire` under way, then freed. The timer's own handle holds
///   one of the channel's.
/// - A function's timer is counted: one reference each for the handle, for the heap while it is
///   linked, and for each fiber that was started.

namespace ringo::detail {

struct timer_core : timer_node {
  spinlock lock;
  bool waits_forever RINGO_GUARDED_BY(lock) = false;
  chan_core* channel = nullptr;        // immutable once started; null: a function's
  bubble_id group = current_bubble();  // immutable: the bubble it belongs to

  void start(nanoseconds delay, nanoseconds wanted_period) RINGO_REQUIRES(lock);
  bool withdraw() noexcept RINGO_REQUIRES(lock);
};

struct channel_timer : timer_core, chan_core::feeder {
  channel_timer() noexcept : chan_core::feeder{&channel_timer::end} {}
  static bool is_awaited(const timer_node& node) noexcept;
  static void fire_channel(timer_node& node, time_point due, fiber_queue& ready) noexcept;
  static bool end(chan_core::feeder& self) noexcept;
};

struct function_timer : timer_core {
  std::atomic<std::uint32_t> references{1};      // atomic: see above
  std::unique_ptr<timer_function> function;      // immutable once started
  const void* site = nullptr;                    // immutable once started
  bubble* const home_group = bubble::current();  // the same as `group`

  void add_reference() noexcept { references.fetch_add(1); }
  void drop_reference() noexcept {
    // New references come from one that exists: who finds a single one holds it, and is alone.
    if (references.load() == 1 || references.fetch_sub(1) == 1) {
      std::unique_ptr<function_timer>(this).reset();
    }
  }
  /// Of a timer that did not fire. Not the last one: the caller has a handle.
  void drop_heaps_reference() noexcept { RINGO_VERIFY(references.fetch_sub(1) > 1); }
  static void fire_function(timer_node& node, time_point due, fiber_queue& ready) noexcept;
  static void forget(timer_node& node) noexcept;
};

}  // namespace ringo::detail
