#pragma once

#include <cstdint>

#include <ringo/detail/sync_queue.hpp>

namespace ringo {

/// Go's sync.Mutex: a lock that blocks only the fiber that waits for it. Lockable in the sense of std, so that
/// std::lock_guard, std::unique_lock and std::scoped_lock work. It has no owner: any fiber or plain
/// thread may unlock it. Not recursive: locking it again parks for ever.
///
/// Those who wait are woken in order, but a woken one competes with newcomers; if it loses, it waits at the
/// front. What was done before the n-th unlock() is visible after each later lock().
/// May be destroyed as soon as lock() has returned in the last user and it has unlocked, even while the
/// unlock() that let it in is still returning elsewhere. May be made and used before and after run().
class mutex {
 public:
  constexpr mutex() noexcept = default;
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;
  ~mutex() = default;

  /// Blocks until the lock is free, then takes it. O(1), allocates nothing.
  void lock() {
    std::uint32_t expected = 0;
    if (RINGO_UNLIKELY(!queue_.change_strong(expected, locked))) lock_slow();
  }

  /// Takes the lock if it is free. Never blocks. May fail although the lock is free, when others wait for it.
  bool try_lock() noexcept {
    std::uint32_t expected = 0;
    return queue_.change_strong(expected, locked);
  }

  /// Lets go, and wakes one who waits. Never blocks. Fatal: "sync: unlock of unlocked mutex".
  void unlock() noexcept {
    std::uint32_t expected = locked;
    if (RINGO_UNLIKELY(!queue_.change_strong(expected, 0))) unlock_slow();
  }

 private:
  using queue = detail::sync_queue<std::uint32_t>;
  static constexpr std::uint32_t locked = 1U << queue::payload_shift;
  // Somebody was woken and has not run yet: unlock() need not wake another one.
  static constexpr std::uint32_t woken = 2U << queue::payload_shift;

  queue queue_;

  void lock_slow();
  void unlock_slow() noexcept;
};

}  // namespace ringo
