#include <ringo/sync/semaphore.hpp>

#include <ringo/detail/explore_point.hpp>
#include <ringo/error.hpp>

#include "sched/park.hpp"
#include "sync/sync_cancel.hpp"

/// Word: the number of free tokens, below it the flags of sync_queue.
///
/// Invariants whenever the queue is not locked: if somebody waits, fewer tokens are free than the
/// first who waits wants; free tokens and granted ones make up the size.
///
/// acquire: 1. more than there are in all: park, in a queue of its own that nobody looks at
///          2. nobody waits and enough are free: take them by one step
///          3. else lock the queue, wait.
/// release: 1. nobody waits: add by one step   2. else lock the queue, add, settle, publish, ready.
/// settle:  while there are enough for the first who waits, grant them.
/// Tokens are handed over with the wake-up, see grant_queue: nobody comes in between.

namespace ringo {
namespace {

using queue = detail::grant_queue;

constexpr std::ptrdiff_t count_max = (std::ptrdiff_t{1} << 60) - 1;
constexpr std::uint64_t token = 1U << queue::payload_shift;

bool enter(std::uint64_t& word, std::uint64_t wants) noexcept {
  if ((word & queue::waiting) != 0 || word < wants) return false;
  word -= wants;
  return true;
}

// A waiter wants what it takes from the word.
std::uint64_t settle(queue& waiters, std::uint64_t word) noexcept {
  for (auto* first = waiters.front(); first != nullptr && first->wants <= word;
       first = waiters.front()) {
    word -= first->wants;
    waiters.grant(first);
  }
  return word;
}

std::uint64_t give_back(std::uint64_t word, std::uint64_t wants) noexcept {
  return word + wants;
}

constexpr detail::grant_rules rules{&enter, &settle, &give_back};

detail::durability durable(void* subject) noexcept {
  return detail::reach_of(*static_cast<detail::sync_waiter<std::uint64_t>*>(subject));
}
constexpr detail::park_kind waits{"semaphore.Acquire",
                                  &queue::after_wait,
                                  &queue::claim,
                                  &queue::dropped,
                                  nullptr,
                                  nullptr,
                                  &detail::waits_for<std::uint64_t>};
constexpr detail::park_kind waits_in_bubble{"semaphore.Acquire",
                                            &queue::after_wait,
                                            &queue::claim,
                                            &queue::dropped,
                                            &durable,
                                            nullptr,
                                            &detail::waits_for<std::uint64_t>};
constexpr detail::park_kind waits_in_vain{"semaphore.Acquire (more than there are)",
                                          &queue::after_wait,
                                          &queue::claim,
                                          &queue::dropped,
                                          &durable,
                                          nullptr,
                                          &detail::waits_for<std::uint64_t>};

}  // namespace

/// What each call begins with.
void semaphore::enter() const {
  detail::explore_point();
  if (RINGO_UNLIKELY(group_ != 0)) detail::check_bubble(group_, "semaphore");
}

std::uint64_t semaphore::payload_of(std::ptrdiff_t n) {
  if (n < 0 || n > count_max) detail::panic("semaphore: count out of range");
  return static_cast<std::uint64_t>(n) * token;
}

void semaphore::acquire(std::ptrdiff_t n) {
  const std::uint64_t wants = payload_of(n);
  enter();
  if (n <= size_) return queue_.enter(wants, rules, group_ != 0 ? waits_in_bubble : waits);
  queue nobody;
  nobody.enter(wants, rules, waits_in_vain);
}

std::error_code semaphore::acquire_unless(detail::cancellation* stop, std::ptrdiff_t n) {
  const std::uint64_t wants = payload_of(n);
  enter();
  if (n <= size_) {
    return queue_.enter_unless(stop, wants, rules, group_ != 0 ? waits_in_bubble : waits);
  }
  queue nobody;
  return nobody.enter_unless(stop, wants, rules, waits_in_vain);
}

bool semaphore::try_acquire(std::ptrdiff_t n) {
  enter();
  return queue_.try_enter(payload_of(n), rules);
}

void semaphore::release(std::ptrdiff_t n) {
  const std::uint64_t returned = payload_of(n);
  const std::uint64_t all = payload_of(size_);
  enter();
  for (std::uint64_t word = queue_.load();;) {
    queue_.await_unlocked(word);
    if ((word & ~queue::flags) + returned > all) {
      detail::panic("semaphore: released more than held");
    }
    if ((word & queue::waiting) == 0) {
      if (queue_.change(word, word + returned)) return;
    } else if (queue_.try_lock(word)) {
      queue_.settle_and_publish(word + returned, rules);
      return;
    }
  }
}

}  // namespace ringo
