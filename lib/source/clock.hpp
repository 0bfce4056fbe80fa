#pragma once

#include <chrono>

namespace ringo::detail {

using steady_clock = std::chrono::steady_clock;
using time_point = steady_clock::time_point;
using nanoseconds = std::chrono::nanoseconds;

/// A deadline that never comes.
inline constexpr time_point never = time_point::max();

/// `from` + `delay`, saturating: a very long delay never ends, a negative one is over at once.
inline time_point deadline_after(time_point from, nanoseconds delay) noexcept {
  if (delay.count() <= 0) return from;
  return delay >= never - from ? never : from + delay;
}

/// From now to `deadline`, which lies anywhere; not negative.
inline nanoseconds time_left(time_point deadline) noexcept {
  const time_point now = steady_clock::now();
  return deadline > now ? nanoseconds(deadline - now) : nanoseconds(0);
}

}  // namespace ringo::detail
