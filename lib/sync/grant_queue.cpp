#include <ringo/detail/grant_queue.hpp>

#include <utility>

#include <ringo/detail/assert.hpp>

#include "sched/park.hpp"
#include "sync/sync_cancel.hpp"

/// A waiter is in one of three places: in the queue; granted, and in `handed_`; in neither, before
/// it has come and after it has gone on.
/// The word counts those in `handed_` as holders already.
///
/// enter:    1. allowed now: by one step   2. else lock the queue, queue, park, and publish once at
///           rest
///           3. granted, and on its own stack again: lock the queue, leave `handed_`, publish.
/// release:  1. lock the queue, settle: move those whose turn it is to `handed_`
///           2. publish the word that counts them   3. ready them.
/// call off: 1. lock the queue   2. granted: it has come too late; not in the queue yet: a note
///           3. else take it out, settle for those behind it, publish   4. ready all of them.
/// claim:    1. lock the queue   2. not granted: leave it; granted: its waker will ready it
///           3. settle for those behind it, publish, ready them.
/// dropped:  1. lock the queue, leave `handed_`   2. give back, settle, publish, ready.
///
/// Why `handed_`: a fiber that was granted something may never run again, because the run ends. The
/// primitive may outlive the run, and then what was granted must be given back; or it may not, and
/// then it must not be touched. So its destructor has to find those who were granted something and
/// have not gone on, and notes in them that it is gone. Leaving `handed_` is the last touch of a
/// call that waited; the release that granted it had its last touch before it readied anybody.

namespace ringo::detail {
namespace {

grant_waiter& waiter_of(void* subject) noexcept {
  return *static_cast<grant_waiter*>(static_cast<sync_waiter<std::uint64_t>*>(subject));
}

void call_off_grant(cancellation::listener& listener, cancellation::walk& found) noexcept {
  grant_waiter& self = waiter_of(static_cast<sync_listener&>(listener).waiter);
  auto* const owner = static_cast<grant_queue*>(self.owner.load());
  if (owner == nullptr) return;
  const std::uint64_t word = owner->lock();
  if (self.outcome == wait_outcome::granted || !self.linked) {
    self.called_off = true;
    owner->publish(word);
    return;
  }
  owner->erase(&self);
  self.outcome = wait_outcome::called_off;
  self.owner.store(nullptr);
  grant_waiter* granted = owner->settle_then_publish(word, *self.rules);
  found.woken.push(self.who);
  for (; granted != nullptr; granted = granted->wake_next) found.woken.push(granted->who);
}

}  // namespace

void grant_queue::grant(grant_waiter* waiter) noexcept {
  RINGO_ASSERT(waiter->outcome == wait_outcome::woken);
  erase(waiter);
  waiter->outcome = wait_outcome::granted;
  handed_.push_back(waiter);
  (wake_first_ != nullptr ? wake_last_->wake_next : wake_first_) = waiter;
  wake_last_ = waiter;
}

void grant_queue::enter_slow(word_type wants, const grant_rules& rules, const park_kind& kind) {
  grant_waiter self(wants, rules);
  enter_slow(self, kind);
}

std::error_code grant_queue::enter_unless(cancellation* stop,
                                          word_type wants,
                                          const grant_rules& rules,
                                          const park_kind& kind) {
  if (stop != nullptr && stop->done()) return stop->code();
  if (try_enter(wants, rules)) return {};
  grant_waiter self(wants, rules);
  if (stop != nullptr)
    return wait_unless(*stop, *this, self, &call_off_grant, [&] { return enter_slow(self, kind); });
  enter_slow(self, kind);
  return {};
}

/// False: called off.
bool grant_queue::enter_slow(grant_waiter& self, const park_kind& kind) {
  for (word_type word = load();;) {
    await_unlocked(word);
    word_type inside = word;
    if (self.rules->enter(inside, self.wants)) {
      if (change(word, inside)) return true;
    } else if (try_lock(word)) {
      return wait(self, word, kind);
    }
  }
}

bool grant_queue::wait(grant_waiter& self, word_type word, const park_kind& kind) {
  const wait_outcome outcome = sync_queue::wait(self, word, place::back, kind);
  if (outcome == wait_outcome::called_off) return false;
  RINGO_VERIFY(outcome == wait_outcome::granted);
  if (RINGO_UNLIKELY(self.owner.load() == nullptr)) return true;
  word = lock();
  handed_.erase(&self);
  publish(word);
  return true;
}

grant_waiter* grant_queue::settle_then_publish(word_type word, const grant_rules& rules) noexcept {
  word = rules.settle(*this, word & ~flags);
  grant_waiter* const granted = std::exchange(wake_first_, nullptr);
  publish(empty() ? word : word | waiting);
  return granted;
}

void grant_queue::settle_and_publish(word_type word, const grant_rules& rules) noexcept {
  grant_waiter* w = settle_then_publish(word, rules);
  while (w != nullptr) {
    grant_waiter* next = w->wake_next;
    ready(w->who);  // its frame may be gone now
    w = next;
  }
}

bool grant_queue::claim(void* waiter) noexcept {
  grant_waiter& self = waiter_of(waiter);
  auto* owner = static_cast<grant_queue*>(self.owner.load());
  if (owner == nullptr) return self.outcome == wait_outcome::woken;
  const word_type word = owner->lock();
  const bool found = self.outcome == wait_outcome::woken;
  if (found) owner->erase(&self);
  owner->settle_and_publish(word, *self.rules);
  if (found) stop_listening(self.listener);
  return found;
}

void grant_queue::dropped(void* waiter) noexcept {
  grant_waiter& self = waiter_of(waiter);
  stop_listening(self.listener);
  auto* owner = static_cast<grant_queue*>(self.owner.load());
  if (owner == nullptr) return;  // called off, or the primitive is gone
  const word_type word = owner->lock();
  RINGO_ASSERT(self.outcome == wait_outcome::granted);
  owner->handed_.erase(&self);
  owner->settle_and_publish(self.rules->give_back(word & ~flags, self.wants), *self.rules);
}

void grant_queue::forget_handed() noexcept {
  for (;;) {
    const word_type word = lock();
    sync_waiter<word_type>* const w = handed_.pop_front();
    publish(word);
    if (w == nullptr) return;
    cut_off(*w);
  }
}

}  // namespace ringo::detail
