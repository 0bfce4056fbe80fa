#include <ringo/sync/mutex.hpp>

#include <chrono>

#include <ringo/error.hpp>

#include "base/pause.hpp"
#include "sched/bubble.hpp"
#include "sched/park.hpp"
#include "sched/spinning.hpp"

/// Word: locked, woken, starving, and the two flags of sync_queue.
///
/// lock:   free -> locked by one step, whoever comes first. Else spin a little; else lock the
///         queue, and park with the word published as locked|waiting. Woken with the lock granted:
///         it is ours. Woken without: clear `woken` and try again; on failure wait at the front,
///         and once over 1 ms has passed since the first park, publish `starving` with it.
/// unlock: nobody waits, or somebody is on its way: clear `locked` by one step. Else lock the queue
///         and take out the first waiter; then either publish {woken, waiting if there are more}
///         and ready it to compete, or, when starving, grant it the lock: publish {locked,
///         starving, waiting if there are more} and ready it.
/// A granted waiter ends `starving` if it waited for less than 1 ms or nobody else waits. While the
/// word is starving it is also locked, so that newcomers cannot slip in.
///
/// A woken or granted fiber may be dropped at the end of a run, before it goes on. The lock may
/// outlive the run, so then `woken` is cleared, or the lock let go, on its behalf; unless the lock
/// is gone, which its destructor has noted in the waiter.

namespace ringo {
namespace {

using queue = detail::sync_queue<std::uint32_t>;

constexpr int spins_max = 30;
constexpr auto starvation_threshold = std::chrono::milliseconds(1);

}  // namespace

struct mutex_waits {
  static void dropped(void* subject) noexcept {
    auto& self = *static_cast<detail::sync_waiter<std::uint32_t>*>(subject);
    queue* owner = self.owner.load();
    if (owner == nullptr) return;
    // `queue_` is the first member.
    auto& lock = *reinterpret_cast<mutex*>(owner);
    if (self.granted) {
      lock.unlock();
      return;
    }
    lock.woken_ = nullptr;
    unsigned turn = 0;
    for (std::uint32_t word = owner->load();;) {
      if ((word & queue::locked_queue) != 0) {
        queue::pause(turn);
        word = owner->load();
      } else if (owner->change(word, word & ~mutex::woken)) {
        break;
      }
    }
    // An unlock may have relied on it: the next one is to be woken.
    if (lock.try_lock()) lock.unlock();
  }
  static constexpr detail::park_kind kind{
      "sync.Mutex.Lock", &queue::after_wait, &queue::claim, &mutex_waits::dropped};
};

void mutex::forget_woken() noexcept {
  static_assert(std::is_standard_layout_v<mutex>);
  if (woken_ != nullptr) woken_->owner.store(nullptr);
}

void mutex::lock_slow() {
  std::uint32_t mine = 0;  // `woken`, while this fiber is the one that was woken
  int spins = detail::spinning_pays() ? spins_max : 0;
  auto where = queue::place::back;
  detail::time_point since;
  bool starves = false;
  unsigned turn = 0;
  std::uint32_t word = queue_.load();
  for (;;) {
    if ((word & queue::locked_queue) != 0) {
      queue::pause(turn);
      word = queue_.load();
    } else if ((word & locked) == 0) {
      if (queue_.change(word, (word & ~mine) | locked)) return;
    } else if (spins > 0 && (word & starving) == 0) {
      --spins;
      for (int i = 0; i < 20; ++i) detail::cpu_pause();
      word = queue_.load();
    } else if (queue_.try_lock(word)) {
      if (where == queue::place::back) since = detail::time_here();
      const bool granted =
          queue_.wait((word & ~mine) | (starves ? starving : 0), where, mutex_waits::kind);
      starves = detail::time_here() - since > starvation_threshold;
      word = queue_.load();
      woken_ = nullptr;
      if (granted) {
        while (!starves || (word & queue::waiting) == 0) {
          // The queue may be locked by a newcomer for some instructions.
          if ((word & queue::locked_queue) != 0) {
            queue::pause(turn);
            word = queue_.load();
          } else if (queue_.change(word, word & ~starving)) {
            break;
          }
        }
        return;
      }
      mine = woken;
      where = queue::place::front;
    }
  }
}

bool mutex::try_lock_slow(std::uint32_t word) noexcept {
  for (unsigned turn = 0;;) {
    if ((word & queue::locked_queue) != 0) {
      queue::pause(turn);
      word = queue_.load();
    } else if ((word & locked) != 0) {
      return false;
    } else if (queue_.change(word, word | locked)) {
      return true;
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
      if (queue_.change(word, word & ~(locked | starving))) return;
    } else if (queue_.try_lock(word)) {
      auto* next = queue_.pop();
      detail::fiber* who = next->who;
      const std::uint32_t more = queue_.empty() ? 0 : queue::waiting;
      woken_ = next;
      if ((word & starving) != 0) {
        next->granted = true;
        queue_.publish(locked | starving | more);
      } else {
        queue_.publish(woken | more);
      }
      detail::ready(who);
      return;
    }
  }
}

}  // namespace ringo
