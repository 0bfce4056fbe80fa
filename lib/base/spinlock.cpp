#include <ringo/detail/spinlock.hpp>

#include "base/futex.hpp"
#include "base/pause.hpp"

namespace ringo::detail {
namespace {

// In pauses, some 11 ns each. The delays double: while nobody looks, the holder keeps the line of
// the lock, and of what it guards, and gets many turns done. All together is longer than any
// critical section whose holder is running.
constexpr int delay_min = 8;
constexpr int delay_max = 128;
constexpr int spent_max = 2000;
constexpr std::chrono::nanoseconds sleep_max = std::chrono::microseconds(200);

}  // namespace

void spinlock::lock_slow() noexcept {
  int delay = delay_min;
  for (int spent = 0; spent < spent_max; spent += delay) {
    for (int i = 0; i < delay; ++i) cpu_pause();
    // relaxed: try_lock() orders
    if (word_.load(std::memory_order_relaxed) == 0 && try_lock()) return;
    if (delay < delay_max) delay *= 2;
  }
  sleepers_.fetch_add(1);
  while (!try_lock()) futex_wait(word_, 1, sleep_max);
  sleepers_.fetch_sub(1);
}

void spinlock::wake() noexcept {
  futex_wake(word_, 1);
}

}  // namespace ringo::detail
