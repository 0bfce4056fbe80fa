#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include <ringo/detail/intrusive_list.hpp>
#include <ringo/detail/spinlock.hpp>

#include "fiber/fiber.hpp"
#include "source/clock.hpp"

/// Deadlines of one worker: a 4-ary heap in which each timer knows its place, so that any thread
/// can remove it.
///
/// Protocol:
/// 1. add() links the timer under the heap's lock; from then on the heap may fire it.
/// 2. expire() unlinks each timer that is due and calls its `fire`, still under the lock. One with
///    a period stays linked and moves to the first deadline of its series that lies ahead: what was
///    missed is dropped, the phase is kept.
/// 3. remove() takes the same lock. True: the timer was linked and will not fire (again). False:
///    `fire` has run to its end. Either way nobody touches the timer after remove() has returned.
///    One that comes after a remove() that was true sees that in `home`, and takes no lock.
/// `fire` must not park, throw or take a heap's lock; it hands fibers to `ready` and returns.

namespace ringo::detail {

using fiber_queue = intrusive_queue<fiber>;

class timer_heap;
struct timer_node;

/// What the heap of a bubble asks of timers of one kind.
struct timer_habits {
  /// Whether firing it now would change anything for anybody. Null: it always does.
  bool (*awaited)(const timer_node& self) noexcept = nullptr;
  /// It was unlinked and will never fire: lets go of what the heap has kept of it. Called without
  /// locks. Null: nothing.
  void (*forget)(timer_node& self) noexcept = nullptr;
};

struct timer_node {
  /// `due`: the deadline that has passed.
  void (*fire)(timer_node& self, time_point due, fiber_queue& ready) noexcept = nullptr;
  // Null: never added, or removed before it fired; nobody knows the timer then. Atomic: set by
  // add(), by the timer's owner; cleared by remove(), under the lock; read by remove().
  std::atomic<timer_heap*> home{nullptr};

  static constexpr std::uint32_t unlinked = UINT32_MAX;
  std::uint32_t place = unlinked;  // guarded by the lock of `home`
  nanoseconds period{0};           // 0: fires once; the owner's while unlinked, else as `place`
  const timer_habits* habits = nullptr;  // immutable; null: none
};

class timer_heap {
 public:
  /// Adds an unlinked timer. True: it is now the earliest. O(log n), may allocate.
  bool add(timer_node& timer, time_point when);

  /// The same for a fiber that parks on the timer: the lock stays taken, and the departing fiber's
  /// `after` calls added().
  void add_and_keep_lock(timer_node& timer, time_point when) RINGO_NO_THREAD_SAFETY;
  void added() noexcept RINGO_NO_THREAD_SAFETY { lock_.unlock(); }

  /// See the protocol. Any thread. O(log n).
  static bool remove(timer_node& timer) noexcept;

  /// All timers go to `to`, another heap. Not while a third heap is moved.
  void move_all(timer_heap& to) RINGO_NO_THREAD_SAFETY;
  /// The same for timers that will never fire; those that can be forgotten are instead.
  void retire_all(timer_heap& to) RINGO_NO_THREAD_SAFETY;

  /// Fires everything that is due at `now`. O(log n) for each.
  void expire(time_point now, fiber_queue& ready) noexcept;

  /// The earliest deadline of a timer that is `awaited`, or `never`. O(1) for each that is not.
  time_point next_awaited() noexcept;

  /// The earliest deadline, or `never`; a snapshot.
  time_point next() const noexcept {
    return time_point(nanoseconds(next_.load(std::memory_order_acquire)));  // pairs with publish()
  }

 private:
  struct entry {
    time_point when{};
    timer_node* timer = nullptr;
  };

  spinlock lock_;
  std::vector<entry> entries_ RINGO_GUARDED_BY(lock_);
  std::atomic<nanoseconds::rep> next_{
      never.time_since_epoch().count()};  // atomic: copy of the earliest

  bool link(timer_node& timer, time_point when) RINGO_REQUIRES(lock_);
  void grow() RINGO_REQUIRES(lock_);
  static void wipe(entry* begin, std::size_t count) noexcept;
  void sift_up(std::size_t place, entry moving) noexcept RINGO_REQUIRES(lock_);
  void sift_down(std::size_t place, entry moving) noexcept RINGO_REQUIRES(lock_);
  void unlink(std::size_t place) noexcept RINGO_REQUIRES(lock_);
  void take_first(time_point now) noexcept RINGO_REQUIRES(lock_);
  void publish() noexcept RINGO_REQUIRES(lock_);
  void find_awaited(std::size_t place, time_point& earliest) const noexcept RINGO_REQUIRES(lock_);
  void put(std::size_t place, entry e) noexcept RINGO_REQUIRES(lock_) {
    entries_[place] = e;
    e.timer->place = static_cast<std::uint32_t>(place);
  }
};

}  // namespace ringo::detail
