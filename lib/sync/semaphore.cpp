#include <ringo/sync/semaphore.hpp>

#include <ringo/error.hpp>

#include "sched/park.hpp"

/// Word: the number of free tokens, below it the flags of sync_queue.
///
/// Invariants whenever the queue is not locked: if somebody waits, fewer tokens are free than the
/// first who waits wants; free tokens and granted ones make up the size.
///
/// acquire: 1. more than there are in all: park, in no queue   2. nobody waits and enough are free:
///          take them by one step   3. else lock the queue, wait.
/// release: 1. nobody waits: add by one step   2. else lock the queue, add, settle, publish, ready.
/// settle:  while there are enough for the first who waits, grant them.
/// Tokens are handed over with the wake-up, see grant_queue: nobody comes in between.

namespace ringo {
namespace {

using queue = detail::grant_queue;

constexpr std::ptrdiff_t count_max = (std::ptrdiff_t{1} << 60) - 1;
constexpr std::uint64_t token = 1U << queue::payload_shift;

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

constexpr detail::grant_rules rules{&settle, &give_back};
constexpr detail::park_kind waits{
    "semaphore.Acquire", &queue::after_wait, &queue::claim, &queue::dropped};

void after_nothing(void* /*subject*/) noexcept {}
bool claim_always(void* /*subject*/) noexcept {
  return true;
}
constexpr detail::park_kind waits_in_vain{
    "semaphore.Acquire (more than there are)", after_nothing, claim_always};

}  // namespace

std::uint64_t semaphore::payload_of(std::ptrdiff_t n) {
  if (n < 0 || n > count_max) detail::panic("semaphore: count out of range");
  return static_cast<std::uint64_t>(n) * token;
}

void semaphore::acquire(std::ptrdiff_t n) {
  const std::uint64_t wants = payload_of(n);
  while (n > size_) detail::park(waits_in_vain, nullptr);
  unsigned turn = 0;
  for (std::uint64_t word = queue_.load();;) {
    if ((word & queue::locked_queue) != 0) {
      queue::pause(turn);
      word = queue_.load();
    } else if ((word & queue::waiting) == 0 && word >= wants) {
      if (queue_.change(word, word - wants)) return;
    } else if (queue_.try_lock(word)) {
      detail::grant_waiter self(wants, rules);
      queue_.wait(self, word, waits);
      return;
    }
  }
}

bool semaphore::try_acquire(std::ptrdiff_t n) {
  const std::uint64_t wants = payload_of(n);
  unsigned turn = 0;
  for (std::uint64_t word = queue_.load();;) {
    if ((word & queue::locked_queue) != 0) {
      queue::pause(turn);
      word = queue_.load();
    } else if ((word & queue::waiting) != 0 || word < wants) {
      return false;
    } else if (queue_.change(word, word - wants)) {
      return true;
    }
  }
}

void semaphore::release(std::ptrdiff_t n) {
  const std::uint64_t returned = payload_of(n);
  const std::uint64_t all = payload_of(size_);
  unsigned turn = 0;
  for (std::uint64_t word = queue_.load();;) {
    if ((word & queue::locked_queue) != 0) {
      queue::pause(turn);
      word = queue_.load();
    } else if ((word & ~queue::flags) + returned > all) {
      detail::panic("semaphore: released more than held");
    } else if ((word & queue::waiting) == 0) {
      if (queue_.change(word, word + returned)) return;
    } else if (queue_.try_lock(word)) {
      queue_.settle_and_publish(word + returned, rules);
      return;
    }
  }
}

}  // namespace ringo
