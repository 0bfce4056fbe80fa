#include <ringo/detail/spinlock.hpp>

#include "base/futex.hpp"
#include "base/pause.hpp"

namespace ringo::detail {
namespace {

constexpr int spins_max = 200;  // some 4 us: longer than any critical section, unless its holder was descheduled
constexpr std::chrono::nanoseconds sleep_ns_max = std::chrono::microseconds(200);

}  // namespace

void spinlock::lock_slow() noexcept {
  for (int spin = 0; spin < spins_max; ++spin) {
    // relaxed: try_lock() orders
    if (word_.load(std::memory_order_relaxed) == 0 && try_lock()) return;
    cpu_pause();
  }
  // pairs with unlock(). 2 on success too: others may still sleep.
  while (word_.exchange(2, std::memory_order_acquire) != 0) {
    futex_wait(word_, 2, sleep_ns_max);
  }
}

void spinlock::unlock_slow() noexcept {
  word_.exchange(0, std::memory_order_release);  // pairs with lock()
  wake();
}

void spinlock::wake() noexcept { futex_wake(word_, 1); }

}  // namespace ringo::detail
