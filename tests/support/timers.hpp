#pragma once

// Looks behind timers: which are set, which have fired, what they cost.

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include <ringo/chan.hpp>

#include "sched/bubble.hpp"
#include "sched/scheduler.hpp"

namespace ringo::test {

/// The earliest deadline of a heap, or `never`, once a fire() under way is over: whoever it has
/// woken may look before the heap has published what it left.
inline std::chrono::steady_clock::time_point earliest_timer(ringo::detail::timer_heap& heap) {
  (void)heap.next_awaited();  // takes the heap's lock
  return heap.next();
}

/// The earliest deadline of all the timers of the caller's bubble, or else of all workers, or
/// `never`.
inline std::chrono::steady_clock::time_point earliest_timer() {
  if (auto* group = ringo::detail::bubble::current()) return earliest_timer(group->timers());
  auto& scheduler = ringo::detail::scheduler::instance();
  auto earliest = ringo::detail::never;
  for (std::uint32_t i = 0; i < scheduler.worker_count(); ++i) {
    earliest = std::min(earliest, earliest_timer(scheduler.worker_at(i)->timers()));
  }
  return earliest;
}

/// Whether there is any timer.
inline bool timers_pending() {
  return earliest_timer() != ringo::detail::never;
}

/// Whether a timer's channel, whose len() is always 0, has a value to receive.
inline bool has_value(const recv_chan<std::chrono::steady_clock::time_point>& channel) {
  return !channel.core()->recv_would_block();
}

/// Of the heap; what sanitizers use is not counted.
inline std::size_t bytes_in_use() {
  return ::mallinfo2().uordblks;
}

}  // namespace ringo::test
