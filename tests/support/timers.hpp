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

/// The earliest deadline of all the timers of the caller's bubble, or else of all workers, or
/// `never`.
inline std::chrono::steady_clock::time_point earliest_timer() {
  if (auto* group = ringo::detail::bubble::current()) return group->timers().next();
  auto& scheduler = ringo::detail::scheduler::instance();
  auto earliest = ringo::detail::never;
  for (std::uint32_t i = 0; i < scheduler.worker_count(); ++i) {
    earliest = std::min(earliest, scheduler.worker_at(i)->timers().next());
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
