#include <ringo/detail/sync_queue.hpp>

#include <sched.h>

#include "base/pause.hpp"
#include "sched/park.hpp"

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
Word sync_queue<Word>::lock() noexcept {
  for (unsigned turn = 0;;) {
    Word word = load();
    if ((word & locked_queue) == 0 && try_lock(word)) return word;
    pause(turn);
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
  if (owner == nullptr) return true;
  const Word word = owner->lock();
  const bool found = self.linked;
  if (found) owner->list_.erase(&self);
  owner->publish(owner->list_.empty() ? word & ~waiting : word);
  return found;
}

template <typename Word>
bool sync_queue<Word>::wait(Word word, place where, const park_kind& kind) {
  sync_waiter<Word> self;
  return wait(self, word, where, kind);
}

template <typename Word>
bool sync_queue<Word>::wait(sync_waiter<Word>& self,
                            Word word,
                            place where,
                            const park_kind& kind) {
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
  return self.granted;
}

template <typename Word>
void sync_queue<Word>::release_all(Word word) noexcept {
  sync_waiter<Word>* first = nullptr;
  auto** last = &first;
  while (auto* w = list_.pop_front()) {
    *last = w;
    last = &w->next;
    w->next = nullptr;
  }
  publish(word);
  while (first != nullptr) {
    auto* w = first;
    first = w->next;
    ready(w->who);  // its frame may be gone now
  }
}

/// The primitive goes while somebody waits: those who do can never be woken.
template <typename Word>
void sync_queue<Word>::orphan() noexcept {
  while (auto* w = list_.pop_front()) w->owner.store(nullptr);
}

template class sync_queue<std::uint32_t>;
template class sync_queue<std::uint64_t>;

}  // namespace ringo::detail
