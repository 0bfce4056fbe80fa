#pragma once

#include <cstdint>
#include <system_error>

#include <ringo/detail/cancellable.hpp>
#include <ringo/detail/explore_point.hpp>
#include <ringo/detail/sync_queue.hpp>

namespace ringo {

/// Go's sync.Mutex: a lock that blocks only the fiber that waits for it. Lockable in the sense of
/// std, so that std::lock_guard, std::unique_lock and std::scoped_lock work. It has no owner: any
/// fiber or plain thread may unlock it. Not recursive: locking it again parks for ever.
///
/// @snippet tests/docs/guide_test.cpp group
///
/// Those who wait are woken in order, but a woken one competes with newcomers; if it loses, it
/// waits at the front, and once it has waited for over 1 ms, the lock is handed to those who wait,
/// in order, until one of them has waited for less (Go's starvation mode; but unlock() does not
/// give up the rest of its turn to the one who gets the lock).
///
/// Thread-safe, but for the destructor. May be made and used before and after run(). May be
/// destroyed as soon as lock() has returned in the last user and it has unlocked, even while the
/// unlock() that let it in is still returning elsewhere; who waits for a destroyed mutex waits for
/// ever.
/// What was done before the n-th unlock() is visible after each later lock().
/// Source: Go's sync.Mutex.
class mutex {
 public:
  constexpr mutex() noexcept = default;
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;
  ~mutex() {
    if (RINGO_UNLIKELY(woken_ != nullptr)) forget_woken();
  }

  /// Takes the lock. Blocks only the fiber (or the plain thread), until it is free. O(1), allocates
  /// nothing.
  void lock() {
    detail::explore_point();
    std::uint32_t expected = 0;
    if (RINGO_UNLIKELY(!queue_.change_strong(expected, locked))) lock_slow();
  }

  /// The same, but gives up with ctx.err() when the context is done, and at once if it is done on
  /// entry. Empty: the caller has the lock. Panics "nil context".
  [[nodiscard]] std::error_code lock(const context& ctx) {
    return lock_unless(detail::cancellation_of(ctx));
  }

  /// Takes the lock if it is free; false: it is not. Never blocks. O(1), allocates nothing.
  bool try_lock() noexcept {
    detail::explore_point();
    std::uint32_t expected = 0;
    return queue_.change_strong(expected, locked) || try_lock_slow(expected);
  }

  /// Lets go, and wakes one who waits. Never blocks. Fatal: "sync: unlock of unlocked mutex". O(1),
  /// allocates nothing.
  void unlock() noexcept {
    detail::explore_point();
    std::uint32_t expected = locked;
    if (RINGO_UNLIKELY(!queue_.change_strong(expected, 0))) unlock_slow();
  }

 private:
  using queue = detail::sync_queue<std::uint32_t>;
  static constexpr std::uint32_t locked = 1U << queue::payload_shift;
  // Somebody was woken and has not run yet: unlock() need not wake another one.
  static constexpr std::uint32_t woken = 2U << queue::payload_shift;
  // The lock goes from hand to hand; newcomers queue behind.
  static constexpr std::uint32_t starving = 4U << queue::payload_shift;

  queue queue_;
  // Who was woken or granted the lock last and has not run yet; written by the waker, then by that
  // one.
  detail::sync_waiter<std::uint32_t>* woken_ = nullptr;

  void forget_woken() noexcept;
  void lock_slow();
  bool lock_slow(detail::sync_waiter<std::uint32_t>& self);
  std::error_code lock_unless(detail::cancellation* stop);
  bool try_lock_slow(std::uint32_t word) noexcept;
  void unlock_slow() noexcept;

  friend struct mutex_waits;
};

}  // namespace ringo
