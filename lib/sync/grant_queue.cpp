#include <ringo/detail/grant_queue.hpp>

#include <utility>

#include <ringo/detail/assert.hpp>

#include "sched/park.hpp"

/// A waiter is in one of three places: in the queue; granted, and in `handed_`; in neither, before
/// it has come and after it has gone on. The word counts those in `handed_` as holders already.
///
/// wait:    1. with the queue locked: queue, park, and publish once at rest
///          2. granted, and on its own stack again: lock the queue, leave `handed_`, publish.
/// release: 1. lock the queue, settle: move those whose turn it is to `handed_`
///          2. publish the word that counts them   3. ready them.
/// claim:   1. lock the queue   2. not granted: leave it; granted: its waker will ready it
///          3. settle for those behind it, publish, ready them.
/// dropped: 1. lock the queue, leave `handed_`   2. give back, settle, publish, ready.
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

}  // namespace

void grant_queue::grant(grant_waiter* waiter) noexcept {
  RINGO_ASSERT(!waiter->granted);
  erase(waiter);
  waiter->granted = true;
  handed_.push_back(waiter);
  (wake_first_ != nullptr ? wake_last_->wake_next : wake_first_) = waiter;
  wake_last_ = waiter;
}

void grant_queue::wait(grant_waiter& self, word_type word, const park_kind& kind) {
  const bool granted = sync_queue::wait(self, word, place::back, kind);
  RINGO_VERIFY(granted);
  if (RINGO_UNLIKELY(self.owner.load() == nullptr)) return;
  word = lock();
  handed_.erase(&self);
  publish(word);
}

void grant_queue::settle_and_publish(word_type word, const grant_rules& rules) noexcept {
  word = rules.settle(*this, word & ~flags);
  grant_waiter* w = std::exchange(wake_first_, nullptr);
  publish(empty() ? word : word | waiting);
  while (w != nullptr) {
    grant_waiter* next = w->wake_next;
    ready(w->who);  // its frame may be gone now
    w = next;
  }
}

bool grant_queue::claim(void* waiter) noexcept {
  grant_waiter& self = waiter_of(waiter);
  auto* owner = static_cast<grant_queue*>(self.owner.load());
  if (owner == nullptr) return !self.granted;
  const word_type word = owner->lock();
  const bool found = !self.granted;
  if (found) owner->erase(&self);
  owner->settle_and_publish(word, *self.rules);
  return found;
}

void grant_queue::dropped(void* waiter) noexcept {
  grant_waiter& self = waiter_of(waiter);
  auto* owner = static_cast<grant_queue*>(self.owner.load());
  if (owner == nullptr) return;
  const word_type word = owner->lock();
  RINGO_ASSERT(self.granted);
  owner->handed_.erase(&self);
  owner->settle_and_publish(self.rules->give_back(word & ~flags, self.wants), *self.rules);
}

void grant_queue::forget_handed() noexcept {
  while (auto* w = handed_.pop_front()) w->owner.store(nullptr);
}

}  // namespace ringo::detail
