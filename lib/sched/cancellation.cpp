#include "sched/cancellation.hpp"

#include <array>
#include <cstddef>
#include <type_traits>

#include <ringo/go.hpp>

#include "sched/bubble.hpp"
#include "sched/park.hpp"
#include "sched/scheduler.hpp"
#include "sched/timers.hpp"

namespace ringo::detail {

cancellation::~cancellation() {
  // Whoever has taken its listener out has done so before it let this object go.
  if (listeners_.empty()) return;
  spin_guard guard(lock_);
  while (listener* l = listeners_.pop_front()) l->owner.store(nullptr);
}

/// Not instrumented: asked on another stack, by the thread that `who` was on a moment ago.
RINGO_NO_TSAN durability cancellation::reach(const fiber& who) const noexcept {
  const bubble* group = bubble::of(who);
  const bool inside = group != nullptr && group->id() == bubble_;
  return inside ? durability::durable : durability::shared;
}

void cancellation::walk::wake_all() noexcept {
  for (;;) {
    std::array<fiber*, ready_batch> batch;
    std::size_t count = 0;
    while (count < batch.size() && !woken.empty()) batch[count++] = woken.pop();
    if (count == 0) return;
    if (count == 1) {
      ready(batch[0]);
    } else {
      ready_all(batch.data(), count);
    }
  }
}

void cancellation::begin(walk& found, std::error_code why, std::error_code cause) noexcept {
  code_ = why;
  cause_ = cause;
  state_.store(state::begun, std::memory_order_release);  // pairs with done()
  if (announce_ != nullptr) announce_(*this, found);
  state_.store(state::announced, std::memory_order_release);  // pairs with done()
}

void cancellation::await_cancel() const noexcept {
  spin_guard guard(lock_);
}

std::error_code code_if_done(const cancellation* stop) noexcept {
  return stop != nullptr ? stop->code() : std::error_code{};
}

bool cancellation::cancel(std::error_code why) noexcept {
  walk found;
  const bool first = cancel(found, why, why);
  found.wake_all();
  return first;
}

bool cancellation::cancel(walk& found, std::error_code why, std::error_code cause) noexcept {
  lock_.lock();
  if (!is_alive()) {
    lock_.unlock();
    return false;
  }
  begin(found, why, cause);
  up_ = nullptr;
  for (cancellation* at = this;;) {
    listener* const l = at->listeners_.pop_front();
    if (l == nullptr) {
      cancellation* const up = at->up_;
      at->lock_.unlock();
      if (up == nullptr) return true;
      at = up;
    } else if (cancellation* const child = l->child) {
      child->lock_.lock();
      if (child->is_alive()) {
        child->begin(found, why, cause);
        child->up_ = at;
        at = child;
      } else {
        child->lock_.unlock();
      }
    } else {
      l->fire(*l, found);
      l->owner.store(nullptr);  // last: forget() waits for what is being fired
    }
  }
}

bool cancellation::add(listener& l) noexcept {
  spin_guard guard(lock_);
  if (!is_alive()) return false;
  l.owner.store(this, std::memory_order_relaxed);  // relaxed: read by who added it, or after a run
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
    if (!self.decided.exchange(true)) ready_onto(self.who, ready);
  }
  static void fire_cancel(cancellation::listener& l, cancellation::walk& found) noexcept {
    // ready() will wake it: the queue only carries it out of the lock.
    cancellable_sleeper& self = of(l);
    if (!self.decided.exchange(true)) found.woken.push(self.who);
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
    dropped(subject);
    return true;
  }
  static durability durable(void* subject) noexcept {
    const auto& self = *static_cast<cancellable_sleeper*>(subject);
    return self.stop->reach(*self.who);
  }
  /// Whichever of the two has not fired must not find the frame any more.
  static void dropped(void* subject) noexcept {
    auto& self = *static_cast<cancellable_sleeper*>(subject);
    timer_heap::remove(self.timer);
    cancellation::forget(self.on_cancel);
  }
  static constexpr park_kind kind{"sleep",
                                  &cancellable_sleeper::after,
                                  &cancellable_sleeper::claim,
                                  &cancellable_sleeper::dropped,
                                  &cancellable_sleeper::durable};
};
static_assert(std::is_standard_layout_v<cancellable_sleeper>);

}  // namespace

std::error_code sleep_until_time(cancellation& stop, time_point deadline) noexcept {
  if (stop.done()) return stop.code();
  if (const bubble* group = bubble::current(); group != nullptr && deadline <= group->now()) {
    yield();  // as without a context
    return {};
  }
  if (current_worker() == nullptr) deadline = real_time(deadline);
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

std::error_code sleep_until_time(cancellation* stop, time_point deadline) noexcept {
  if (stop != nullptr) return sleep_until_time(*stop, deadline);
  sleep_until_time(deadline);
  return {};
}

std::error_code sleep_for_nanoseconds(cancellation* stop, nanoseconds duration) noexcept {
  if (stop != nullptr) {
    if (duration.count() <= 0) return stop->code();
    return sleep_until_time(*stop, deadline_after(time_here(), duration));
  }
  sleep_for_nanoseconds(duration);
  return {};
}

}  // namespace ringo::detail
