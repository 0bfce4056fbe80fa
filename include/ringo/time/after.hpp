#pragma once

#include <chrono>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>

namespace ringo {
namespace detail {

recv_chan<std::chrono::steady_clock::time_point> after_nanoseconds(std::chrono::nanoseconds delay);

}  // namespace detail

/// A channel that gets the time once, `delay` from now (Go's time.After). For select:
///
///     ringo::select(ringo::recv(answer, value), ringo::recv(ringo::after(1s)));
///
/// Never blocks. The timer ends with the last handle of the channel, fired or not, so that an `after` in a
/// select costs nothing afterwards. Negative delays fire at once, nanoseconds::max() never. O(log timers); one
/// allocation. Timers fire only while a runtime runs.
template <typename Rep, typename Period>
recv_chan<std::chrono::steady_clock::time_point> after(std::chrono::duration<Rep, Period> delay) {
  return detail::after_nanoseconds(detail::to_nanoseconds(delay));
}

}  // namespace ringo
