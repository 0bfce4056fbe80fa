#include <ringo/sync/shared_mutex.hpp>

#include <ringo/error.hpp>

#include "sched/park.hpp"
#include "sync/sync_cancel.hpp"

/// Word: a bit for the writer that holds it, above it the number of readers that do; below, the
/// flags of sync_queue. Never both a writer and readers.
///
/// Invariants whenever the queue is not locked:
/// - somebody waits only if somebody holds it;
/// - if readers hold it, the first who waits is a writer;
/// - if nobody waits, nobody was refused: hence newcomers may come in iff `waiting` is clear and
///   the holders allow it.
///
/// lock:          1. word 0 -> writing by one step   2. else lock the queue, wait.
/// lock_shared:   1. neither a writer nor waiters: count by one step
///                2. else lock the queue, wait.
/// unlock:        1. nobody waits: clear the bit by one step
///                2. else lock the queue, clear the bit, grant all readers wherever they stand,
///                settle, publish, ready.
/// unlock_shared: 1. nobody waits, or other readers are left: count down by one step   2. else lock
///                the queue, count down, settle, publish, ready.
/// settle:        1. a writer holds it: nothing   2. grant readers up to the first writer
///                3. no readers hold it: grant that writer.
/// A waiter that gives up is taken out, and settle lets in those whom it kept out: readers behind a
/// writer.
/// Lock and count are handed over with the wake-up, see grant_queue: nobody comes in between.

namespace ringo {

struct shared_mutex_rules {
  using queue = detail::grant_queue;
  static constexpr auto writing = shared_mutex::writing;
  static constexpr auto reader = shared_mutex::reader;

  // A waiter wants what it adds to the word: `writing` or `reader`.
  static bool enter(std::uint64_t& word, std::uint64_t wants) noexcept {
    if (wants == writing ? word != 0 : (word & (writing | queue::waiting)) != 0) return false;
    word += wants;
    return true;
  }
  static std::uint64_t settle(queue& waiters, std::uint64_t word) noexcept {
    if ((word & writing) != 0) return word;
    while (auto* first = waiters.front()) {
      if (first->wants == writing && word != 0) break;
      word += first->wants;
      waiters.grant(first);
      if (first->wants == writing) break;
    }
    return word;
  }
  static std::uint64_t give_back(std::uint64_t word, std::uint64_t wants) noexcept {
    return word - wants;
  }
  static constexpr detail::grant_rules rules{&enter, &settle, &give_back};

  static constexpr detail::park_kind writes{"sync.RWMutex.Lock",
                                            &queue::after_wait,
                                            &queue::claim,
                                            &queue::dropped,
                                            nullptr,
                                            nullptr,
                                            &detail::waits_for<std::uint64_t>};
  static constexpr detail::park_kind reads{"sync.RWMutex.RLock",
                                           &queue::after_wait,
                                           &queue::claim,
                                           &queue::dropped,
                                           nullptr,
                                           nullptr,
                                           &detail::waits_for<std::uint64_t>};
};

void shared_mutex::lock_slow() {
  queue_.enter(writing, shared_mutex_rules::rules, shared_mutex_rules::writes);
}

std::error_code shared_mutex::lock_unless(detail::cancellation* stop) {
  return queue_.enter_unless(stop, writing, shared_mutex_rules::rules, shared_mutex_rules::writes);
}

bool shared_mutex::try_lock() noexcept {
  detail::explore_point();
  return queue_.try_enter(writing, shared_mutex_rules::rules);
}

void shared_mutex::lock_shared_slow() {
  queue_.enter(reader, shared_mutex_rules::rules, shared_mutex_rules::reads);
}

std::error_code shared_mutex::lock_shared_unless(detail::cancellation* stop) {
  return queue_.enter_unless(stop, reader, shared_mutex_rules::rules, shared_mutex_rules::reads);
}

bool shared_mutex::try_lock_shared() noexcept {
  detail::explore_point();
  return queue_.try_enter(reader, shared_mutex_rules::rules);
}

void shared_mutex::unlock_slow() noexcept {
  for (std::uint64_t word = queue_.load();;) {
    queue_.await_unlocked(word);
    if ((word & writing) == 0) detail::fatal("sync: unlock of unlocked shared_mutex");
    if ((word & queue::waiting) == 0) {
      if (queue_.change(word, word & ~writing)) return;
    } else if (queue_.try_lock(word)) {
      word &= ~writing;
      for (auto* w = queue_.front(); w != nullptr;) {
        auto* const next = queue::after(w);
        if (w->wants == reader) {
          word += reader;
          queue_.grant(w);
        }
        w = next;
      }
      queue_.settle_and_publish(word, shared_mutex_rules::rules);
      return;
    }
  }
}

void shared_mutex::unlock_shared_slow(std::uint64_t word) noexcept {
  for (;;) {
    queue_.await_unlocked(word);
    if (word < reader) detail::fatal("sync: unlock_shared of unlocked shared_mutex");
    if ((word & queue::waiting) == 0 || word >= 2 * reader) {
      if (queue_.change(word, word - reader)) return;
    } else if (queue_.try_lock(word)) {
      queue_.settle_and_publish(word - reader, shared_mutex_rules::rules);
      return;
    }
  }
}

}  // namespace ringo
