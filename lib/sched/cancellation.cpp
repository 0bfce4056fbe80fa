#include "sched/cancellation.hpp"

#include <cstddef>
#include <type_traits>

#include "sched/park.hpp"
#include "sched/scheduler.hpp"
#include "sched/timers.hpp"

namespace ringo::detail {

bool cancellation::cancel(std::error_code why) noexcept {
  fiber_queue woken;
  {
    spin_guard guard(lock_);
    if (done_.load(std::memory_order_relaxed)) return false;  // relaxed: under the lock
    code_ = why;
    done_.store(true, std::memory_order_release);  // pairs with done()
    while (listener* l = listeners_.pop_front()) l->fire(*l, woken);
  }
  while (fiber* f = woken.pop()) ready(f);
  return true;
}

bool cancellation::add(listener& l) noexcept {
  spin_guard guard(lock_);
  if (done_.load(std::memory_order_relaxed)) return false;  // relaxed: under the lock
  listeners_.push_back(&l);
  return true;
}

bool cancellation::remove(listener& l) noexcept {
  spin_guard guard(lock_);
  if (!l.linked) return false;
  listeners_.erase(&l);
  return true;
}

namespace {

/// Woken by the timer or by the cancellation, whichever wins `decided`.
struct cancellable_sleeper {
  timer_node timer;  // first: fire_timer() finds the rest from it
  cancellation::listener on_cancel;
  cancellation* stop = nullptr;
  fiber* who = nullptr;
  std::atomic<bool> decided{false};

  static cancellable_sleeper& of(cancellation::listener& l) noexcept {
    return *reinterpret_cast<cancellable_sleeper*>(reinterpret_cast<std::byte*>(&l) -
                                                   offsetof(cancellable_sleeper, on_cancel));
  }
  static void fire_timer(timer_node& timer, time_point /*due*/, fiber_queue& ready) noexcept {
    auto& self = *reinterpret_cast<cancellable_sleeper*>(&timer);
    if (self.decided.exchange(true)) return;
    if (self.who->is_thread) {
      detail::ready(self.who);
    } else if (self.who->wake()) {
      ready.push(self.who);
    }
  }
  static void fire_cancel(cancellation::listener& l, fiber_queue& woken) noexcept {
    // ready() will wake it: the queue only carries it out of the lock.
    cancellable_sleeper& self = of(l);
    if (!self.decided.exchange(true)) woken.push(self.who);
  }
  /// The heap's lock is still held: the frame lives until it is released, since the fiber removes
  /// its timer first.
  RINGO_NO_TSAN static void after(void* subject) noexcept {
    auto& self = *static_cast<cancellable_sleeper*>(subject);
    timer_heap* heap =
        self.timer.home.load(std::memory_order_relaxed);  // relaxed: written by this thread
    fiber* who = self.who;
    if (!self.stop->add(self.on_cancel) && !self.decided.exchange(true)) ready(who);
    heap->added();
    // On a plain thread the timer went to a worker that may be asleep.
    if (who->is_thread) scheduler::instance().timer_added();
  }
  static bool claim(void* subject) noexcept {
    auto& self = *static_cast<cancellable_sleeper*>(subject);
    if (self.decided.exchange(true)) return false;
    timer_heap::remove(self.timer);
    self.stop->remove(self.on_cancel);
    return true;
  }
  static constexpr park_kind kind{
      "sleep", &cancellable_sleeper::after, &cancellable_sleeper::claim};
};
static_assert(std::is_standard_layout_v<cancellable_sleeper>);

}  // namespace

std::error_code sleep_until_time(cancellation& stop, time_point deadline) noexcept {
  if (stop.done()) return stop.code();
  timer_heap& heap = timers_here();
  cancellable_sleeper self;
  self.timer.fire = &cancellable_sleeper::fire_timer;
  self.on_cancel.fire = &cancellable_sleeper::fire_cancel;
  self.stop = &stop;
  self.who = current_fiber();
  stop.prepare_add();
  heap.add_and_keep_lock(self.timer, deadline);
  park(cancellable_sleeper::kind, &self);
  // One of the two has fired; the other must not, and whoever fires has let go of the frame.
  const bool timer_was_set = timer_heap::remove(self.timer);
  stop.remove(self.on_cancel);
  return timer_was_set ? stop.code() : std::error_code{};
}

}  // namespace ringo::detail
