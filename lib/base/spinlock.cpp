#include <ringo/detail/spinlock.hpp>

#include "base/futex.hpp"
#include "base/pause.hpp"

namespace ringo::detail {
namespace {

constexpr int spins_max = 200;  // some 4 us: longer than any critical section whose holder is running
constexpr std::chrono::nanoseconds sleep_max = std::chrono::microseconds(200);

}  // namespace

void spinlock::lock_slow() noexcept {
  for (int spin = 0; spin < spins_max; ++spin) {
    // relaxed: try_lock() orders
    if (word_.load(std::memory_order_relaxed) == 0 && try_lock()) return;
    cpu_pause();
  }
  sleepers_.fetch_add(1);
  while (!try_lock()) futex_wait(word_, 1, sleep_max);
  sleepers_.fetch_sub(1);
}

void spinlock::wake() noexcept { futex_wake(word_, 1); }

}  // namespace ringo::detail
