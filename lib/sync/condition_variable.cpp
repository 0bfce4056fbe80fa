#include <ringo/sync/condition_variable.hpp>

#include <ringo/detail/explore_point.hpp>

#include "fiber/sanitizer.hpp"
#include "sched/park.hpp"
#include "sync/sync_cancel.hpp"

/// Word: the flags of sync_queue alone.
///
/// A waiter must be in the queue before it unlocks the user's lock, and that may take long, or park
/// elsewhere. So, unlike in the locks, it may be in the queue and not yet at rest. And the
/// condition_variable may go as soon as everybody has been notified, even before their wait() has
/// returned; so neither a canceller nor a waiter that leaves may look at it, unless it knows that
/// this waiter will not be notified. Both are decided by `stage`, a word in the waiter:
///
///   0, on its way ──> its fiber, at rest       by the waiter's departure
///   either of these ──> the same | chosen      by a waker, under the queue lock
///   chosen, or the fiber | chosen ──> notified by that waker, its last touch of the waiter
///   either of the first two ──> withdrawn      by a canceller, the end of the run, or the waiter
///                                              itself when unlock() throws
///
/// wait:     1. done already: give up   2. add the listener   3. lock the queue; withdrawn
///           meanwhile: give up; join it at its end, publish   4. unlock the user's lock   5. park,
///           and once at rest enter the fiber in `stage`; if that fails somebody has come first:
///           ready it   6. on its own stack again: remove the listener   7. lock the user's lock.
/// notify:   1. nobody waits: done   2. lock the queue; take out the first one, or all, that it can
///           choose, and cut each off; pass over who has withdrawn, who is about to leave by itself
///           3. publish, the last touch of the primitive   4. stage := notified; it was a fiber:
///           ready it.
/// call off: 1. stage := withdrawn, or else too late: it is as good as notified   2. now the
///           primitive cannot go (its destructor waits, see stop_listening): lock the queue, leave
///           it, publish   3. it was a fiber: ready it when the cancellation's locks are released.
/// claim:    as call off; if too late, its waker or canceller will ready it.
///
/// A waiter does not touch the primitive after step 4. Of several wakers each has chosen others, so
/// that no later one takes what an earlier one brought. A notification goes to one who returns
/// success, or to nobody if all who waited had withdrawn before: none is lost.

namespace ringo {
namespace {

using queue = detail::sync_queue<std::uint32_t>;
using waiter = detail::condition_waiter;
using sync_waiter = detail::sync_waiter<std::uint32_t>;

constexpr std::uintptr_t chosen = 1;    // beside a fiber, or alone
constexpr std::uintptr_t notified = 2;  // alone, as is the next
constexpr std::uintptr_t withdrawn = 4;
static_assert(alignof(detail::fiber) > (chosen | notified | withdrawn));

waiter& waiter_of(void* subject) noexcept {
  return *static_cast<waiter*>(static_cast<sync_waiter*>(subject));
}

bool is_decided(std::uintptr_t stage) noexcept {
  return (stage & (chosen | notified | withdrawn)) != 0;
}

/// Step 1 of notify. True: somebody waits, and the queue is locked.
bool lock_if_awaited(queue& of) noexcept {
  for (std::uint32_t word = of.load();;) {
    of.await_unlocked(word);
    if ((word & queue::waiting) == 0) return false;
    if (of.try_lock(word)) return true;
  }
}

/// Step 2 of notify: the next that can be chosen, from `at` on; `at` is then the one behind it.
waiter* take_out(queue& from, sync_waiter*& at) noexcept {
  while (at != nullptr) {
    auto& w = static_cast<waiter&>(*at);
    at = at->next;
    std::uintptr_t seen = w.stage.load();
    while (!is_decided(seen)) {
      if (!w.stage.compare_exchange_strong(seen, seen | chosen)) continue;
      from.erase(&w);
      w.owner.store(nullptr);
      return &w;
    }
  }
  return nullptr;
}

/// Step 4 of notify.
void wake(waiter* w) noexcept {
  const std::uintptr_t who = w->stage.exchange(notified) & ~chosen;
  if (who != 0) detail::ready(reinterpret_cast<detail::fiber*>(who));
}

/// False: a waker, or somebody else who withdrew it, was faster. Else `stage` was `seen`, and it is
/// in no queue.
bool withdraw(waiter& self, std::uintptr_t& seen) noexcept {
  seen = self.stage.load();
  do {
    if (is_decided(seen)) return false;
  } while (!self.stage.compare_exchange_strong(seen, withdrawn));
  queue* const owner = self.owner.load();
  if (owner == nullptr) return true;  // gone
  const std::uint32_t word = owner->lock();
  if (self.linked) owner->erase(&self);
  owner->publish(owner->empty() ? word & ~queue::waiting : word);
  return true;
}

void call_off(detail::cancellation::listener& listener,
              detail::cancellation::walk& found) noexcept {
  auto& self = waiter_of(static_cast<detail::sync_listener&>(listener).waiter);
  std::uintptr_t seen = 0;
  if (withdraw(self, seen) && seen != 0) {
    found.woken.push(reinterpret_cast<detail::fiber*>(seen));
  }
}

}  // namespace

struct condition_waits {
  /// Not instrumented: reads what the waiter wrote a moment ago, on this thread.
  RINGO_NO_TSAN static void after(void* subject) noexcept {
    waiter& self = waiter_of(subject);
    detail::fiber* who = self.who;
    std::uintptr_t seen = 0;
    // May have been chosen on its way; its waker then finds the fiber, or comes first.
    while (
        !self.stage.compare_exchange_strong(seen, seen | reinterpret_cast<std::uintptr_t>(who))) {
      if (seen == notified || seen == withdrawn) {
        detail::ready(who);
        return;
      }
    }
  }
  static bool claim(void* subject) noexcept {
    waiter& self = waiter_of(subject);
    std::uintptr_t seen = 0;
    if (!withdraw(self, seen)) return false;
    detail::stop_listening(self.listener);
    return true;
  }
  static detail::durability durable(void* subject) noexcept {
    return detail::reach_of(waiter_of(subject));
  }
  static constexpr detail::park_kind kind{"sync.Cond.Wait",
                                          &condition_waits::after,
                                          &condition_waits::claim,
                                          &queue::dropped,
                                          &condition_waits::durable,
                                          nullptr,
                                          &detail::waits_for<std::uint32_t>};
};

/// False: withdrawn already. Who withdraws it later finds it in the queue.
bool condition_variable::enlist(waiter& self) {
  detail::explore_point();
  const std::uint32_t word = queue_.lock();
  const bool joins = self.stage.load() == 0;
  if (joins) queue_.push_back(&self);
  queue_.publish(joins ? word | queue::waiting : word);
  return joins;
}

std::error_code condition_variable::wait_unless(detail::cancellation* stop,
                                                const detail::lock_calls& lock) {
  waiter self;
  self.who = detail::current_fiber();
  self.owner.store(&queue_, std::memory_order_relaxed);  // relaxed: published by the queue lock
  detail::sync_listener listener;
  if (stop != nullptr) {
    listener.fire = &call_off;
    listener.waiter = static_cast<sync_waiter*>(&self);
    self.listener = &listener;
    if (!stop->add(listener)) return stop->code();
  }
  if (!enlist(self)) {
    stop->remove(listener);
    return stop->code();
  }
  try {
    lock.let_go(lock.lock);
  } catch (...) {
    if (stop != nullptr) stop->remove(listener);
    std::uintptr_t seen = 0;
    withdraw(self, seen);
    // Whoever has chosen it is about to touch it. A notification that came just now is lost.
    unsigned turn = 0;
    while ((self.stage.load() & chosen) != 0) queue::pause(turn);
    throw;
  }
  sleep(self);
  if (stop != nullptr) stop->remove(listener);
  const bool given_up = self.stage.load() == withdrawn;
  lock.take(lock.lock);
  return given_up ? stop->code() : std::error_code{};
}

void condition_variable::sleep(waiter& self) noexcept {
  const std::uintptr_t seen = self.stage.load();
  if (seen == notified || seen == withdrawn) return;
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
  sync_waiter* at = queue_.front();
  waiter* const first = take_out(queue_, at);
  queue_.publish(queue_.empty() ? 0 : queue::waiting);
  if (first != nullptr) wake(first);
}

void condition_variable::notify_all() noexcept {
  detail::explore_point();
  if (!lock_if_awaited(queue_)) return;
  sync_waiter* first = nullptr;
  sync_waiter** last = &first;
  sync_waiter* at = queue_.front();
  while (waiter* const w = take_out(queue_, at)) {
    *last = w;
    last = &w->next;
    w->next = nullptr;
  }
  queue_.publish(queue_.empty() ? 0 : queue::waiting);
  while (first != nullptr) {
    auto* const w = static_cast<waiter*>(first);
    first = w->next;
    wake(w);  // its frame may be gone now
  }
}

}  // namespace ringo
