#pragma once

#include <chrono>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>

namespace ringo {
namespace detail {

recv_chan<std::chrono::steady_clock::time_point> after_nanoseconds(std::chrono::nanoseconds delay);

}  // namespace detail

/// A channel that gets the time once, `delay` from now, any std::chrono duration. For select:
///
/// @snippet tests/docs/guide_test.cpp select
///
/// Never blocks. Delays that are not positive fire when a worker next looks at its timers, and
/// nanoseconds::max() never. Timers fire only while a runtime runs. As in Go the channel's len()
/// and cap() are 0; the value is the time at which it was due. Thread-safe. The timer ends with the
/// last handle of the channel, fired or not, so that an `after` in a select costs nothing
/// afterwards. O(log timers); allocates the channel and the timer. Source: Go's time.After, by the
/// rules of Go 1.23.
template <typename Rep, typename Period>
recv_chan<std::chrono::steady_clock::time_point> after(std::chrono::duration<Rep, Period> delay) {
  return detail::after_nanoseconds(detail::to_nanoseconds(delay));
}

}  // namespace ringo
