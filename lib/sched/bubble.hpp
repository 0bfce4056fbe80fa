#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include <ringo/detail/bubble_id.hpp>
#include <ringo/detail/completion.hpp>

#include "fiber/fiber.hpp"
#include "source/clock.hpp"
#include "source/timer_heap.hpp"

/// Virtual time: a group of fibers with a clock of their own, which moves only when none of them
/// could do anything without it.
///
/// `active` counts the fibers of the bubble that are not durably blocked (those that run, are
/// queued, or are parked on something that may be woken from outside), the departures of those that
/// are about to be, and the settler.
///
/// Invariants:
/// - What a durably blocked fiber waits for is woken only by a fiber of the bubble, by its timers,
///   or by its own departure. So at `active` 0 nothing of the bubble can change but by the settler,
///   and whoever makes it 0 is the only one that sees that.
/// - A fiber's count goes on to its departure, which gives it back when `after` is through; the
///   waker adds another one before it queues the fiber. So `active` never falls to 0 while a fiber
///   of the bubble runs or is due to run. (`after` may find that what the fiber waits for has
///   happened, and wake it: were the count given back before, the one who made that happen could be
///   taken for the last that blocks.)
///
/// Steps of a fiber that parks (after_park):
/// 1. Durably: mark it.  2. Let the waker see it.  3. Subtract it; it was the last: settle.
/// Steps of a waker (fiber::wake): if it is marked, take the mark off and add it.
/// A fiber adds itself when it is started, and subtracts itself when it ends.
/// Settle:
/// 1. Active 0 -> 1.
/// 2. One fiber stands in wait(): wake it. Else, unless the first fiber has ended, move the clock
///    to the next timer that somebody waits for, and fire what is due. Else the bubble ends:
///    `active` takes a value that no count has, and whoever is in bubble() goes on. With fibers
///    left that is a deadlock.
/// 3. Subtract the settler; nobody active still: again.
/// Bubbles are recycled, never freed. The count of a new one begins at 1, for the first fiber, so
/// that there is nothing to settle before that has started.

namespace ringo::detail {

class bubble {
 public:
  /// The one that the running fiber belongs to, inside blocking() too; null: none.
  static bubble* current() noexcept;
  static bubble* of(const fiber& f) noexcept {
    constexpr auto relaxed = std::memory_order_relaxed;  // relaxed: set before the fiber starts
    if (RINGO_LIKELY(f.bubbled.load(relaxed) == fiber::in_bubble::no)) return nullptr;
    return at(f.bubble.load(relaxed));
  }

  /// A new one, for the caller alone until its first fiber starts, which must happen. Panics:
  /// "bubble: more than 1023". With no fibers outside, a wait for any fiber is durable.
  enum class reach : std::uint8_t { fibers_outside, no_fibers_outside };
  static bubble& begin(reach outside);
  /// Blocks until all fibers have ended or can never go on.
  void await_end() { ended_.wait(); }
  /// After await_end(): why it ended with fibers left; empty if it did not.
  const std::string& deadlock() const noexcept { return deadlock_; }
  /// The caller's last touch.
  void recycle() noexcept;

  bubble_id id() const noexcept { return id_; }
  time_point now() const noexcept {
    // pairs with advance()
    return time_point(nanoseconds(now_.load(std::memory_order_acquire)));
  }
  timer_heap& timers() noexcept { return timers_; }
  /// Fires at once what is due: nobody else would look before all are blocked.
  void add_timer(timer_node& timer, time_point when);

  /// Before it is queued.
  void fiber_starts(fiber& f) noexcept;
  void fiber_ends() noexcept {
    fibers_.fetch_sub(1);
    if (active_.fetch_sub(1) == 1) settle();
  }
  /// The first fiber's function has returned: time stops.
  void root_ends() noexcept { root_ended_.store(true); }
  /// Step 1 of parking. True: the caller takes step 3.
  bool block(fiber& f, const park_kind& kind, void* subject) noexcept;
  /// Step 3.
  void departed() noexcept {
    if (active_.fetch_sub(1) == 1) settle();
  }
  /// Fatal from outside: the bubble may just be found to be stuck, or be gone.
  void unblock(fiber& f) noexcept;
  void settle() noexcept;

  /// Blocks until every other fiber is durably blocked. Panics "wait: already in progress".
  void wait();
  /// Ends it now, whatever its fibers do: they must not go on.
  void give_up() noexcept;

 private:
  static constexpr std::uint32_t over = UINT32_MAX / 2;  // of `active`

  bubble_id id_ = 0;                         // immutable while its fibers exist, as is `wanted_`
  std::uint16_t place_ = 0;                  // immutable
  durability wanted_ = durability::durable;  // of a wait that counts as blocked
  std::atomic<std::uint32_t> active_{over};  // atomic: see above
  std::atomic<std::uint32_t> fibers_{0};     // atomic: they start and end at any time
  std::atomic<bool> root_ended_{false};
  std::atomic<fiber*> waiter_{nullptr};    // who is in wait()
  std::atomic<worker*> settler_{nullptr};  // where the settler runs
  std::atomic<nanoseconds::rep> now_{0};
  timer_heap timers_;
  completion ended_;
  std::string deadlock_;  // the settler's, then of who is in bubble()

  static bubble* at(std::uint16_t place) noexcept;
  bool may_unblock(const fiber& f) const noexcept;
  bool advance() noexcept;
  void end() noexcept;
};

/// fiber::wake(), for fibers that may be in a bubble.
inline bool wake(fiber& f) noexcept {
  // relaxed: written before a waker could see the fiber
  if (RINGO_UNLIKELY(f.bubbled.load(std::memory_order_relaxed) == fiber::in_bubble::blocked)) {
    bubble::of(f)->unblock(f);
  }
  return f.wake();
}

/// The time that timers and deadlines of the caller follow.
time_point time_here() noexcept;
/// The real time that is as far away as `deadline` is by the caller's clock. For sleeps inside
/// blocking(), where a bubble's clock stands still.
time_point real_time(time_point deadline) noexcept;

}  // namespace ringo::detail
