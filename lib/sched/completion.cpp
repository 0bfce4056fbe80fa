#include <ringo/detail/completion.hpp>
#include <ringo/detail/explore_point.hpp>

#include "fiber/sanitizer.hpp"
#include "sched/bubble.hpp"
#include "sched/cancellation.hpp"
#include "sched/park.hpp"

namespace ringo::detail {

/// Nobody outside of the bubble of `of` can finish it. (Bubbles are recycled, but not while one of
/// their fibers is still to finish something.) Not instrumented: asked where `after` runs.
RINGO_NO_TSAN bool completion::finished_inside(const fiber& of) const noexcept {
  return group_ != nullptr && group_ == bubble::of(of);
}

struct completion_waits {
  /// Not instrumented: reads what the waiter wrote a moment ago, on this thread.
  RINGO_NO_TSAN static void after(void* subject) noexcept {
    auto& self = *static_cast<completion*>(subject);
    fiber* waiter = self.waiter_;
    std::uintptr_t pending = 0;
    // Failure: the finisher came first.
    if (!self.word_.compare_exchange_strong(pending, reinterpret_cast<std::uintptr_t>(waiter)))
      ready(waiter);
  }
  static bool claim(void* subject) noexcept {
    auto& self = *static_cast<completion*>(subject);
    auto waiting = reinterpret_cast<std::uintptr_t>(self.waiter_);
    return self.word_.compare_exchange_strong(waiting, 0);
  }
  /// Not instrumented: as after().
  RINGO_NO_TSAN static durability durable(void* subject) noexcept {
    const auto& self = *static_cast<completion*>(subject);
    return self.finished_inside(*self.waiter_) ? durability::durable : durability::shared;
  }
  static void waits_for(void* subject, wait_objects& found) noexcept {
    found.add(subject, sizeof(completion), wait_objects::extent::part);
  }
  static constexpr park_kind kind{"task join",
                                  &completion_waits::after,
                                  &completion_waits::claim,
                                  nullptr,
                                  &completion_waits::durable,
                                  nullptr,
                                  &completion_waits::waits_for};
};

bool completion::finish() noexcept {
  const std::uintptr_t before = word_.exchange(done);
  if (before == abandoned) return false;
  if (before != 0 && before != called_off) ready(reinterpret_cast<fiber*>(before));
  return true;
}

RINGO_NO_TSAN void completion::wait() {
  explore_point();
  if (word_.load() == done) return;
  waiter_ = current_fiber();
  sanitizer_release(&word_);  // `after` publishes the waiter under another identity
  park(completion_waits::kind, this);
#if RINGO_TSAN
  word_.load();  // takes over what the finisher did, if `after` found it done: under another
                 // identity
#endif
}

/// A waiter that listens to a cancellation; the steps are in completion.hpp.
struct cancellable_completion : cancellation::listener {
  completion& subject;
  const cancellation& stop;
  fiber* who;

  cancellable_completion(completion& waited_for, const cancellation& listens_to, fiber* me) noexcept
      : subject(waited_for), stop(listens_to), who(me) {
    fire = &call_off;
  }

  static void call_off(cancellation::listener& l, cancellation::walk& found) noexcept {
    auto& self = static_cast<cancellable_completion&>(l);
    fiber* who = self.who;
    std::uintptr_t seen = 0;
    if (self.subject.word_.compare_exchange_strong(seen, completion::called_off)) return;
    if (seen == reinterpret_cast<std::uintptr_t>(who) &&
        self.subject.word_.compare_exchange_strong(seen, 0)) {
      found.woken.push(who);
    }
  }
  /// Not instrumented: reads what the waiter wrote a moment ago, on this thread.
  RINGO_NO_TSAN static void after(void* subject) noexcept {
    auto& self = *static_cast<cancellable_completion*>(subject);
    fiber* who = self.who;
    std::uintptr_t pending = 0;
    // Failure: the finisher or the canceller came first, and did not wake anybody.
    if (!self.subject.word_.compare_exchange_strong(pending, reinterpret_cast<std::uintptr_t>(who)))
      ready(who);
  }
  static bool claim(void* subject) noexcept {
    auto& self = *static_cast<cancellable_completion*>(subject);
    auto waiting = reinterpret_cast<std::uintptr_t>(self.who);
    if (!self.subject.word_.compare_exchange_strong(waiting, 0)) return false;
    dropped(subject);
    return true;
  }
  /// Not instrumented: as after().
  RINGO_NO_TSAN static durability durable(void* subject) noexcept {
    const auto& self = *static_cast<cancellable_completion*>(subject);
    return self.subject.finished_inside(*self.who) ? self.stop.reach(*self.who)
                                                   : durability::shared;
  }
  static void dropped(void* subject) noexcept {
    cancellation::forget(*static_cast<cancellable_completion*>(subject));
  }
  static constexpr park_kind kind{"task join",
                                  &cancellable_completion::after,
                                  &cancellable_completion::claim,
                                  &cancellable_completion::dropped,
                                  &cancellable_completion::durable};
};

RINGO_NO_TSAN bool completion::wait(cancellation& stop) {
  explore_point();
  if (word_.load() == done) return true;
  cancellable_completion self(*this, stop, current_fiber());
  if (!stop.add(self)) return false;
  sanitizer_release(&word_);  // `after` publishes the waiter under another identity
  park(cancellable_completion::kind, &self);
  stop.remove(self);
  std::uintptr_t seen = called_off;
  word_.compare_exchange_strong(seen, 0);
  return seen == done;
}

std::error_code wait_for(completion& finished, cancellation* stop) {
  if (stop == nullptr) {
    finished.wait();
    return {};
  }
  if (stop->done() || !finished.wait(*stop)) return stop->code();
  return {};
}

bool completion::abandon() noexcept {
  return word_.exchange(abandoned) != done;
}

}  // namespace ringo::detail
