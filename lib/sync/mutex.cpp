#include <ringo/sync/mutex.hpp>

#include <ringo/error.hpp>

#include "base/pause.hpp"
#include "sched/park.hpp"
#include "sched/spinning.hpp"

/// Word: locked, woken, and the two flags of sync_queue. The queue is locked only while `locked` is set (by an
/// enqueuing waiter, or by the owner that unlocks), so that taking the lock never races with its holder.
///
/// lock:   free -> locked by one step, whoever comes first. Else spin a little; else lock the queue, and park
///         with the word published as locked|waiting. Woken: clear `woken` and try again; on failure wait at the
///         front.
/// unlock: nobody waits, or somebody is on its way: clear `locked` by one step. Else lock the queue, take out the
///         first waiter, publish {woken, waiting if there are more}, and ready it.

namespace ringo {
namespace {

using queue = detail::sync_queue<std::uint32_t>;

constexpr detail::park_kind waits{"sync.Mutex.Lock", &queue::after_wait, &queue::claim};
constexpr int spins_max = 30;

}  // namespace

void mutex::lock_slow() {
  std::uint32_t mine = 0;  // `woken`, while this fiber is the one that was woken
  int spins = detail::spinning_pays() ? spins_max : 0;
  auto where = queue::place::back;
  unsigned turn = 0;
  std::uint32_t word = queue_.load();
  for (;;) {
    if ((word & locked) == 0) {
      if (queue_.change(word, (word & ~mine) | locked)) return;
    } else if (spins > 0) {
      --spins;
      for (int i = 0; i < 20; ++i) detail::cpu_pause();
      word = queue_.load();
    } else if ((word & queue::locked_queue) != 0) {
      queue::pause(turn);
      word = queue_.load();
    } else if (queue_.try_lock(word)) {
      queue_.wait((word & ~mine), where, waits);
      mine = woken;
      where = queue::place::front;
      word = queue_.load();
    }
  }
}

void mutex::unlock_slow() noexcept {
  unsigned turn = 0;
  for (std::uint32_t word = queue_.load();;) {
    if ((word & locked) == 0) detail::fatal("sync: unlock of unlocked mutex");
    if ((word & queue::locked_queue) != 0) {
      queue::pause(turn);
      word = queue_.load();
    } else if ((word & queue::waiting) == 0 || (word & woken) != 0) {
      if (queue_.change(word, word & ~locked)) return;
    } else if (queue_.try_lock(word)) {
      detail::fiber* next = queue_.pop();
      queue_.publish(woken | (queue_.empty() ? 0 : queue::waiting));
      detail::ready(next);
      return;
    }
  }
}

}  // namespace ringo
