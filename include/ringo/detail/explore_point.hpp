#pragma once

#include <atomic>

#include <ringo/detail/config.hpp>

namespace ringo::detail {

/// testing::explore() is at work. Written while no runtime runs.
extern std::atomic<bool> exploring;

void take_explore_point() noexcept;

/// Where a ringo call may be preempted under testing::explore(); else nothing. Not under a lock.
inline void explore_point() noexcept {
  // relaxed: see above
  if (RINGO_UNLIKELY(exploring.load(std::memory_order_relaxed))) take_explore_point();
}

}  // namespace ringo::detail
