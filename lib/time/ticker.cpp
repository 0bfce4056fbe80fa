#include <ringo/time/ticker.hpp>

#include <ringo/error.hpp>

namespace ringo {

detail::timer_handle ticker::start(std::chrono::nanoseconds period) {
  if (period.count() <= 0) detail::panic("non-positive interval for NewTicker");
  return detail::start_timer(period, period);
}

void ticker::stop() const {
  if (handle_) handle_.stop();
}

void ticker::reset_nanoseconds(std::chrono::nanoseconds period) const {
  if (period.count() <= 0) detail::panic("non-positive interval for Ticker.Reset");
  if (!handle_) detail::panic("Reset called on uninitialized Ticker");
  handle_.reset(period, period);
}

namespace detail {

recv_chan<std::chrono::steady_clock::time_point> tick_nanoseconds(std::chrono::nanoseconds period) {
  return period.count() > 0 ? start_timer(period, period).channel() : timer_channel();
}

}  // namespace detail
}  // namespace ringo
