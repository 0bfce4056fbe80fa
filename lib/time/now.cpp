#include <ringo/time/now.hpp>

#include "sched/bubble.hpp"

namespace ringo {

std::chrono::steady_clock::time_point now() noexcept {
  return detail::time_here();
}

}  // namespace ringo
