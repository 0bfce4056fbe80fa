#include <ringo/time/timer.hpp>

#include <ringo/error.hpp>

namespace ringo {

bool timer::stop() const {
  if (!handle_) detail::panic("Stop called on uninitialized Timer");
  return handle_.stop();
}

bool timer::reset_nanoseconds(std::chrono::nanoseconds delay) const {
  if (!handle_) detail::panic("Reset called on uninitialized Timer");
  return handle_.reset(delay, {});
}

}  // namespace ringo
