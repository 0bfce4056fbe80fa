#include <cerrno>
#include <ctime>

#include <unistd.h>

#include <ringo/go.hpp>

#include "sched/bubble.hpp"
#include "sched/park.hpp"
#include "sched/worker.hpp"
#include "source/timer_heap.hpp"

namespace ringo::detail {
namespace {

struct sleeper {
  timer_node timer;
  fiber* who = nullptr;

  static void fire(timer_node& timer, time_point /*due*/, fiber_queue& ready) noexcept {
    // `timer` is the first member.
    fiber* who = reinterpret_cast<sleeper*>(&timer)->who;
    if (wake(*who)) ready.push(who);
  }
  static void after(void* subject) noexcept {
    // relaxed: written by this thread a moment ago
    static_cast<sleeper*>(subject)->timer.home.load(std::memory_order_relaxed)->added();
  }
  static bool claim(void* subject) noexcept {
    return timer_heap::remove(static_cast<sleeper*>(subject)->timer);
  }
  static constexpr park_kind kind{
      "sleep", &sleeper::after, &sleeper::claim, nullptr, &always_durable};
};
static_assert(std::is_standard_layout_v<sleeper>);

void sleep_thread_until(time_point deadline) noexcept {
  if (deadline == never) {
    for (;;) ::pause();
  }
  if (deadline <= steady_clock::now()) return;
  const auto since_boot = deadline.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_boot);
  const std::timespec until{static_cast<std::time_t>(seconds.count()),
                            static_cast<long>(nanoseconds(since_boot - seconds).count())};
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
}

}  // namespace

void sleep_until_time(std::chrono::steady_clock::time_point deadline) noexcept {
  worker* w = current_worker();
  if (w == nullptr) return sleep_thread_until(real_time(deadline));
  sleeper self;
  self.timer.fire = &sleeper::fire;
  self.who = w->current();
  bubble* group = bubble::of(*self.who);
  // It waits for nothing: the others need not come to rest before it goes on.
  if (RINGO_UNLIKELY(group != nullptr) && deadline <= group->now()) return w->yield();
  timer_heap& heap = group != nullptr ? group->timers() : w->timers();
  heap.add_and_keep_lock(self.timer, deadline);
  park(sleeper::kind, &self);
}

void sleep_for_nanoseconds(std::chrono::nanoseconds duration) noexcept {
  if (duration.count() <= 0) return;
  sleep_until_time(deadline_after(time_here(), duration));
}

}  // namespace ringo::detail
