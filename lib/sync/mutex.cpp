#include <ringo/sync/mutex.hpp>

#include <chrono>

#include <ringo/error.hpp>

#include "base/pause.hpp"
#include "sched/park.hpp"
#include "sched/spinning.hpp"
#include "sync/sync_cancel.hpp"

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
/// One who gives up is taken out of the queue, or, when it was woken to compete and loses, clears
/// `woken` as it would to wait again: sync_cancel.hpp. The holder's unlock() then wakes the next.
/// `starving` may outlast those who wait; unlock() clears it when it finds nobody.
///
/// A woken or granted fiber may be dropped at the end of a run, before it goes on. The lock may
/// outlive the run, so then `woken` is cleared, or the lock let go, on its behalf; unless the lock
/// is gone, which its destructor has noted in the waiter.

namespace ringo {
namespace {

using queue = detail::sync_queue<std::uint32_t>;

// Real also in a bubble: its time stands still while fibers compete.
using clock = std::chrono::steady_clock;

constexpr int spins_max = 30;
constexpr auto starvation_threshold = std::chrono::milliseconds(1);
constexpr int explored_waits_max = 3;

/// In real time also in a bubble, whose clock stands still for who waits for a lock. Schedules that
/// are explored must not depend on that.
bool has_starved(clock::time_point since, int waits) noexcept {
  // relaxed: set before the run began
  if (detail::exploring.load(std::memory_order_relaxed)) return waits > explored_waits_max;
  return clock::now() - since > starvation_threshold;
}

}  // namespace

struct mutex_waits {
  static void dropped(void* subject) noexcept {
    auto& self = *static_cast<detail::sync_waiter<std::uint32_t>*>(subject);
    detail::stop_listening(self.listener);
    queue* owner = self.owner.load();
    if (owner == nullptr) return;  // called off, or the lock is gone
    // `queue_` is the first member.
    auto& lock = *reinterpret_cast<mutex*>(owner);
    if (self.outcome == detail::wait_outcome::granted) {
      lock.unlock();
      return;
    }
    lock.woken_ = nullptr;
    for (std::uint32_t word = owner->load();;) {
      owner->await_unlocked(word);
      if (owner->change(word, word & ~mutex::woken)) break;
    }
    // An unlock may have relied on it: the next one is to be woken.
    if (lock.try_lock()) lock.unlock();
  }
  static constexpr detail::park_kind kind{"sync.Mutex.Lock",
                                          &queue::after_wait,
                                          &queue::claim,
                                          &mutex_waits::dropped,
                                          nullptr,
                                          nullptr,
                                          &detail::waits_for<std::uint32_t>};
};

void mutex::forget_woken() noexcept {
  static_assert(std::is_standard_layout_v<mutex>);
  if (woken_ != nullptr) queue::cut_off(*woken_);
}

void mutex::lock_slow() {
  detail::sync_waiter<std::uint32_t> self;
  lock_slow(self);
}

std::error_code mutex::lock_unless(detail::cancellation* stop) {
  if (stop == nullptr) {
    lock();
    return {};
  }
  if (stop->done()) return stop->code();
  if (try_lock()) return {};
  detail::sync_waiter<std::uint32_t> self;
  return detail::wait_unless(
      *stop, queue_, self, &detail::call_off<std::uint32_t>, [&] { return lock_slow(self); });
}

/// False: called off.
bool mutex::lock_slow(detail::sync_waiter<std::uint32_t>& self) {
  std::uint32_t mine = 0;  // `woken`, while this fiber is the one that was woken
  int spins = detail::spinning_pays() ? spins_max : 0;
  auto where = queue::place::back;
  clock::time_point since;
  bool starves = false;
  int waits = 0;
  for (std::uint32_t word = queue_.load();;) {
    queue_.await_unlocked(word);
    if ((word & locked) == 0) {
      if (queue_.change(word, (word & ~mine) | locked)) return true;
    } else if (spins > 0 && (word & starving) == 0) {
      --spins;
      for (int i = 0; i < 20; ++i) detail::cpu_pause();
      word = queue_.load();
    } else if (queue_.try_lock(word)) {
      if (where == queue::place::back) since = clock::now();
      const auto outcome =
          queue_.wait(self, (word & ~mine) | (starves ? starving : 0), where, mutex_waits::kind);
      if (outcome == detail::wait_outcome::called_off) return false;
      starves = has_starved(since, ++waits);
      word = queue_.load();
      woken_ = nullptr;
      if (outcome == detail::wait_outcome::granted) {
        while (!starves || (word & queue::waiting) == 0) {
          // The queue may be locked by a newcomer for some instructions.
          queue_.await_unlocked(word);
          if (queue_.change(word, word & ~starving)) break;
        }
        return true;
      }
      mine = woken;
      where = queue::place::front;
    }
  }
}

bool mutex::try_lock_slow(std::uint32_t word) noexcept {
  for (;;) {
    queue_.await_unlocked(word);
    if ((word & locked) != 0) return false;
    if (queue_.change(word, word | locked)) return true;
  }
}

void mutex::unlock_slow() noexcept {
  for (std::uint32_t word = queue_.load();;) {
    queue_.await_unlocked(word);
    if ((word & locked) == 0) detail::fatal("sync: unlock of unlocked mutex");
    if ((word & queue::waiting) == 0 || (word & woken) != 0) {
      if (queue_.change(word, word & ~(locked | starving))) return;
    } else if (queue_.try_lock(word)) {
      auto* next = queue_.pop();
      detail::fiber* who = next->who;
      const std::uint32_t more = queue_.empty() ? 0 : queue::waiting;
      woken_ = next;
      if ((word & starving) != 0) {
        next->outcome = detail::wait_outcome::granted;
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
