#include "sched/bubble.hpp"

#include <array>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include <ringo/detail/assert.hpp>
#include <ringo/detail/explore_point.hpp>
#include <ringo/detail/spinlock.hpp>
#include <ringo/error.hpp>

#include "fiber/sanitizer.hpp"
#include "sched/current.hpp"
#include "sched/deadlock.hpp"
#include "sched/park.hpp"
#include "sched/scheduler.hpp"
#include "sched/worker.hpp"

namespace ringo::detail {
namespace {

constexpr std::uint32_t places = 1024;  // the first is for none

/// All that were ever made.
struct bubble_table {
  std::array<std::atomic<bubble*>, places> made{};  // atomic: written under the lock, read without
  spinlock lock;
  std::uint16_t count RINGO_GUARDED_BY(lock) = 1;
  std::array<std::uint16_t, places> free RINGO_GUARDED_BY(lock){};
  std::uint16_t free_count RINGO_GUARDED_BY(lock) = 0;
  bubble_id last_id RINGO_GUARDED_BY(lock) = 0;
};

bubble_table& table() noexcept {
  static auto& the_one = *new bubble_table;
  return the_one;
}

/// Where the timers of bubbles that have ended stay until their owners remove them: they never
/// fire.
timer_heap& past_timers() noexcept {
  static auto& the_one = *new timer_heap;
  return the_one;
}

void after_nothing(void* /*subject*/) noexcept {}
bool claim_always(void* /*subject*/) noexcept {
  return true;
}
constexpr park_kind waits{"testing::wait", &after_nothing, &claim_always, nullptr, &always_durable};

}  // namespace

bubble* bubble::at(std::uint16_t place) noexcept {
  return table().made[place].load(std::memory_order_acquire);  // pairs with begin()
}

bubble* bubble::current() noexcept {
  const worker* w = worker_of_thread();
  const fiber* f = w != nullptr ? w->current() : nullptr;
  return f != nullptr ? of(*f) : nullptr;
}

bubble& bubble::begin(reach outside) {
  bubble_table& all = table();
  spin_guard guard(all.lock);
  bubble* made = nullptr;
  if (all.free_count > 0) {
    made = at(all.free[--all.free_count]);
  } else {
    if (all.count == places) panic("bubble: more than 1023 at a time");
    auto owned = std::make_unique<bubble>();
    made = owned.release();
    made->place_ = all.count;
    all.made[all.count++].store(made, std::memory_order_release);  // pairs with at()
  }
  made->id_ = ++all.last_id;
  made->wanted_ = outside == reach::fibers_outside ? durability::durable : durability::shared;
  made->fibers_.store(0);
  made->root_ended_.store(false);
  made->waiter_.store(nullptr);
  made->deadlock_.clear();
  made->now_.store(steady_clock::now().time_since_epoch().count());
  made->ended_.~completion();
  ::new (&made->ended_) completion;
  made->active_.store(1);  // the first fiber's
  return *made;
}

void bubble::recycle() noexcept {
  timers_.retire_all(past_timers());
  bubble_table& all = table();
  spin_guard guard(all.lock);
  // Fibers that never go on still name it.
  if (deadlock_.empty()) all.free[all.free_count++] = place_;
}

void bubble::fiber_starts(fiber& f) noexcept {
  constexpr auto relaxed = std::memory_order_relaxed;  // relaxed: published when it is queued
  f.bubbled.store(fiber::in_bubble::active, relaxed);
  f.bubble.store(place_, relaxed);
  // begin() has counted the first one.
  if (fibers_.fetch_add(1) != 0) active_.fetch_add(1);
}

/// A fiber of the bubble may, the settler, and a departure its own fiber.
bool bubble::may_unblock(const fiber& f) const noexcept {
  if (wanted_ == durability::shared || current() == this) return true;
  const worker* w = current_worker();
  return w != nullptr && (settler_.load() == w || w->departing() == &f);
}

void bubble::unblock(fiber& f) noexcept {
  if (RINGO_UNLIKELY(!may_unblock(f))) {
    fatal("a fiber of a bubble that waits for others of the bubble was woken from outside");
  }
  // relaxed: the waker's, then the fiber's
  f.bubbled.store(fiber::in_bubble::active, std::memory_order_relaxed);
  active_.fetch_add(1);
}

bool bubble::block(fiber& f, const park_kind& kind, void* subject) noexcept {
  const durability wait = kind.durable != nullptr ? kind.durable(subject) : durability::shared;
  if (wait < wanted_) return false;
  // relaxed: published with the fiber's place in a queue
  f.bubbled.store(fiber::in_bubble::blocked, std::memory_order_relaxed);
  return true;
}

void bubble::settle() noexcept {
  for (std::uint32_t nobody = 0; active_.compare_exchange_strong(nobody, 1); nobody = 0) {
    settler_.store(current_worker());
    if (fiber* waiter = waiter_.exchange(nullptr)) {
      ready(waiter);
    } else if (root_ended_.load() || fibers_.load() == 0 || !advance()) {
      return end();
    }
    settler_.store(nullptr);
    if (active_.fetch_sub(1) != 1) return;
  }
}

/// False: no timer could wake anybody.
bool bubble::advance() noexcept {
  const time_point next = timers_.next_awaited();
  if (next == never) return false;
  // release pairs with now()
  if (next > now()) now_.store(next.time_since_epoch().count(), std::memory_order_release);
  fiber_queue due;
  timers_.expire(next, due);
  // Programs must not rely on an order of what happens at one time.
  worker* w = current_worker();
  std::array<fiber*, 64> batch;
  for (std::uint32_t count = 0; !due.empty() || count > 0;) {
    while (count < batch.size() && !due.empty()) batch[count++] = due.pop();
    const std::uint32_t drawn = w->random_below(count);
    w->push_back(batch[drawn]);
    batch[drawn] = batch[--count];
  }
  return true;
}

void bubble::add_timer(timer_node& timer, time_point when) {
  timers_.add(timer, when);
  if (when > now()) return;
  fiber_queue due;
  timers_.expire(now(), due);
  while (fiber* f = due.pop()) {
    if (worker* w = current_worker()) {
      w->push_back(f);
    } else {
      scheduler::instance().inject(f);
    }
  }
}

void bubble::end() noexcept {
  if (fibers_.load() != 0) {
    deadlock_ = root_ended_.load()
                    ? "bubble: its first fiber has returned, and others are blocked - deadlock!\n"
                    : "bubble: all fibers are asleep - deadlock!\n";
    deadlock_ += text_of(list_fibers([this](const fiber& f) {
      return f.current_state() == fiber_state::parked &&
             f.bubbled.load() == fiber::in_bubble::blocked && f.bubble.load() == place_;
    }));
  }
  settler_.store(nullptr);
  active_.store(over);
  ended_.finish();
}

void bubble::give_up() noexcept {
  active_.store(over);
  deadlock_ = "given up";
  ended_.finish();
}

void bubble::wait() {
  if (current_worker() == nullptr) panic("testing::wait: inside blocking()");
  fiber* nobody = nullptr;
  if (!waiter_.compare_exchange_strong(nobody, current_fiber())) {
    panic("testing::wait: already in progress");
  }
  park(waits, nullptr);
  sanitizer_acquire(this);
}

time_point time_here() noexcept {
  const bubble* group = bubble::current();
  return group != nullptr ? group->now() : steady_clock::now();
}

time_point real_time(time_point deadline) noexcept {
  const bubble* group = bubble::current();
  if (group == nullptr || deadline == never) return deadline;
  const time_point real_now = steady_clock::now();
  return deadline > group->now() ? deadline_after(real_now, deadline - group->now()) : real_now;
}

bubble_id current_bubble() noexcept {
  const bubble* group = bubble::current();
  return group != nullptr ? group->id() : 0;
}

void check_bubble(bubble_id owner, const char* what) {
  explore_point();
  if (owner == current_bubble()) return;
  panic(std::string(what) + " of a bubble used from outside");
}

}  // namespace ringo::detail
