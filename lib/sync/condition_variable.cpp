#include <ringo/sync/condition_variable.hpp>

#include <ringo/detail/explore_point.hpp>

#include "fiber/sanitizer.hpp"
#include "sched/park.hpp"

/// Word: the flags of sync_queue alone.
///
/// A waiter must be in the queue before it unlocks the user's lock, and that may take long, or park
/// elsewhere. So, unlike in the locks, the queue is not locked until it is at rest; `stage` decides
/// who of waiter and waker comes last, as in completion:
/// wait:   1. lock the queue, join it at its end, publish   2. unlock the user's lock
///         3. park, and once at rest CAS stage 0 -> fiber; that fails: `notified`, ready it
///         4. on its own stack again: lock the user's lock.
/// notify: 1. nobody waits: done   2. lock the queue, take out the first one, or all; mark each
///         granted, and cut it off from the primitive   3. publish, the last touch of the primitive
///         4. exchange stage := notified, the last touch of the waiter; it was a fiber: ready it.
/// claim:  1. cut off: its waker will ready it if it is granted; else the primitive is gone
///         2. lock the queue, leave it if still there, publish.
///
/// A waiter does not touch the primitive after step 1. Of several wakers each has taken out others,
/// so that no later one takes what an earlier one brought.

namespace ringo {
namespace {

using queue = detail::sync_queue<std::uint32_t>;
using waiter = detail::condition_waiter;
using sync_waiter = detail::sync_waiter<std::uint32_t>;

constexpr std::uintptr_t notified = 1;

waiter& waiter_of(void* subject) noexcept {
  return *static_cast<waiter*>(static_cast<sync_waiter*>(subject));
}

/// Step 1 of notify. True: somebody waits, and the queue is locked.
bool lock_if_awaited(queue& of) noexcept {
  unsigned turn = 0;
  for (std::uint32_t word = of.load();;) {
    if ((word & queue::locked_queue) != 0) {
      queue::pause(turn);
      word = of.load();
    } else if ((word & queue::waiting) == 0) {
      return false;
    } else if (of.try_lock(word)) {
      return true;
    }
  }
}

/// Step 2 of notify.
waiter* take_out(queue& from) noexcept {
  auto* w = static_cast<waiter*>(from.pop());
  if (w == nullptr) return nullptr;
  w->granted = true;
  w->owner.store(nullptr);
  return w;
}

/// Step 4 of notify.
void wake(waiter* w) noexcept {
  const std::uintptr_t before = w->stage.exchange(notified);
  if (before != 0) detail::ready(reinterpret_cast<detail::fiber*>(before));
}

bool leave(sync_waiter& self) noexcept {
  queue* owner = self.owner.load();
  if (owner == nullptr) return !self.granted;
  const std::uint32_t word = owner->lock();
  const bool found = self.linked;
  if (found) owner->erase(&self);
  owner->publish(owner->empty() ? word & ~queue::waiting : word);
  return found;
}

}  // namespace

struct condition_waits {
  /// Not instrumented: reads what the waiter wrote a moment ago, on this thread.
  RINGO_NO_TSAN static void after(void* subject) noexcept {
    waiter& self = waiter_of(subject);
    detail::fiber* who = self.who;
    std::uintptr_t resting = 0;
    // Failure: the waker came first.
    if (!self.stage.compare_exchange_strong(resting, reinterpret_cast<std::uintptr_t>(who))) {
      detail::ready(who);
    }
  }
  static bool claim(void* subject) noexcept { return leave(waiter_of(subject)); }
  static constexpr detail::park_kind kind{"sync.Cond.Wait",
                                          &condition_waits::after,
                                          &condition_waits::claim,
                                          nullptr,
                                          &detail::always_durable};
};

void condition_variable::enlist(waiter& self) {
  detail::explore_point();
  self.who = detail::current_fiber();
  self.owner.store(&queue_, std::memory_order_relaxed);  // relaxed: published by the queue lock
  const std::uint32_t word = queue_.lock();
  queue_.push_back(&self);
  queue_.publish(word | queue::waiting);
}

void condition_variable::withdraw(waiter& self) noexcept {
  if (leave(self)) return;
  // Whoever has taken it out is about to touch it. A notification that came just now is lost.
  unsigned turn = 0;
  while (self.stage.load() != notified) queue::pause(turn);
}

void condition_variable::sleep(waiter& self) noexcept {
  if (self.stage.load() == notified) return;
  detail::sanitizer_release(&self.stage);  // `after` publishes the fiber under another identity
  detail::park(condition_waits::kind, static_cast<sync_waiter*>(&self));
#if RINGO_TSAN
  // Takes over what the waker did, if `after` found it first: under another identity.
  self.stage.load();
#endif
}

void condition_variable::notify_one() noexcept {
  detail::explore_point();
  if (!lock_if_awaited(queue_)) return;
  waiter* const first = take_out(queue_);
  queue_.publish(queue_.empty() ? 0 : queue::waiting);
  wake(first);
}

void condition_variable::notify_all() noexcept {
  detail::explore_point();
  if (!lock_if_awaited(queue_)) return;
  waiter* first = take_out(queue_);
  waiter* last = first;
  while (waiter* const w = take_out(queue_)) {
    last->next = w;
    last = w;
  }
  last->next = nullptr;
  queue_.publish(0);
  while (first != nullptr) {
    auto* const next = static_cast<waiter*>(first->next);
    wake(first);  // its frame may be gone now
    first = next;
  }
}

}  // namespace ringo
