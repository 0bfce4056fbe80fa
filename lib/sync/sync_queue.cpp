#include <ringo/detail/sync_queue.hpp>

#include <sched.h>

#include "base/pause.hpp"
#include "sched/park.hpp"
#include "sync/sync_cancel.hpp"

namespace ringo::detail {

template <typename Word>
void sync_queue<Word>::pause(unsigned& turn) noexcept {
  constexpr unsigned spins_max = 100;  // the lock is held for some ten instructions
  if (turn++ < spins_max) {
    cpu_pause();
  } else {
    ::sched_yield();  // its holder was descheduled
  }
}

template <typename Word>
void sync_queue<Word>::reload(Word& word) const noexcept {
  for (unsigned turn = 0; (word & locked_queue) != 0; word = load()) pause(turn);
}

template <typename Word>
Word sync_queue<Word>::lock() noexcept {
  for (Word word = load();;) {
    await_unlocked(word);
    if (try_lock(word)) return word;
  }
}

/// Not instrumented: reads what the departing fiber wrote on this thread a moment ago.
template <typename Word>
RINGO_NO_TSAN void sync_queue<Word>::after_wait(void* waiter) noexcept {
  auto& self = *static_cast<sync_waiter<Word>*>(waiter);
  self.owner.load()->publish(self.publish);
}

template <typename Word>
bool sync_queue<Word>::claim(void* waiter) noexcept {
  auto& self = *static_cast<sync_waiter<Word>*>(waiter);
  sync_queue* owner = self.owner.load();
  if (owner == nullptr) return self.outcome == wait_outcome::woken;
  const Word word = owner->lock();
  const bool found = self.linked;
  if (found) owner->list_.erase(&self);
  owner->publish(owner->list_.empty() ? word & ~waiting : word);
  if (found) stop_listening(self.listener);
  return found;
}

template <typename Word>
void sync_queue<Word>::dropped(void* waiter) noexcept {
  stop_listening(static_cast<sync_waiter<Word>*>(waiter)->listener);
}

template <typename Word>
wait_outcome sync_queue<Word>::wait(sync_waiter<Word>& self,
                                    Word word,
                                    place where,
                                    const park_kind& kind) {
  if (RINGO_UNLIKELY(self.called_off)) {
    publish(word);
    return wait_outcome::called_off;
  }
  self.who = current_fiber();
  self.publish = word | waiting;
  self.owner.store(this, std::memory_order_relaxed);  // relaxed: published by the queue lock
  if (where == place::back) {
    list_.push_back(&self);
  } else {
    list_.push_front(&self);
  }
#if RINGO_TSAN
  word_.fetch_or(0, std::memory_order_release);  // pairs with load(): see publish()
#endif
  park(kind, &self);
  return self.outcome;
}

template <typename Word>
void sync_queue<Word>::release_all(Word word, wait_outcome how) noexcept {
  sync_waiter<Word>* first = nullptr;
  auto** last = &first;
  while (auto* w = list_.pop_front()) {
    *last = w;
    last = &w->next;
    w->next = nullptr;
    w->outcome = how;
    w->owner.store(nullptr, std::memory_order_relaxed);  // relaxed: published by the queue lock
  }
  publish(word);
  while (first != nullptr) {
    auto* w = first;
    first = w->next;
    ready(w->who);  // its frame may be gone now
  }
}

template <typename Word>
void sync_queue<Word>::cut_off(sync_waiter<Word>& waiter) noexcept {
  stop_listening(waiter.listener);
  waiter.owner.store(nullptr);
}

/// One by one, and each cut off without the queue lock: who is just cancelling it wants that.
template <typename Word>
void sync_queue<Word>::orphan() noexcept {
  for (;;) {
    const Word word = lock();
    sync_waiter<Word>* const w = list_.pop_front();
    publish(list_.empty() ? word & ~waiting : word);
    if (w == nullptr) return;
    cut_off(*w);
  }
}

template class sync_queue<std::uint32_t>;
template class sync_queue<std::uint64_t>;

}  // namespace ringo::detail
