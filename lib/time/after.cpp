#include <ringo/time/after.hpp>

#include <ringo/detail/timer_handle.hpp>

namespace ringo::detail {

recv_chan<std::chrono::steady_clock::time_point> after_nanoseconds(std::chrono::nanoseconds delay) {
  return start_timer(delay, {}).channel();
}

}  // namespace ringo::detail
