#pragma once

#include <cstdint>
#include <system_error>

#include <ringo/detail/cancellable.hpp>
#include <ringo/detail/explore_point.hpp>
#include <ringo/detail/grant_queue.hpp>

namespace ringo {

/// Go's sync.RWMutex: held by any number of readers, or by one writer. It blocks only the fiber
/// that waits for it. SharedLockable in the sense of std, so that std::unique_lock,
/// std::scoped_lock and std::shared_lock work (the last is Go's RLocker). It has no owner: any
/// fiber or plain thread may unlock it.
///
/// A writer that waits keeps new readers out, so that writers do not starve; a reader that locks
/// again may thus wait for a writer that waits for it, for ever. When a writer unlocks, all readers
/// that wait go before the next writer, so that readers do not starve either. Writers get it in the
/// order in which they came.
///
/// Thread-safe, but for the destructor. May be made and used before and after run(). May be
/// destroyed as soon as lock() or lock_shared() has returned in the last user and it has unlocked,
/// even while the unlock that let it in is still returning elsewhere; who waits for a destroyed one
/// waits for ever.
/// What was done before an unlock() is visible after each later lock() and lock_shared(); what was
/// done before an unlock_shared(), after the next lock().
/// Source: Go's sync.RWMutex.
class shared_mutex {
 public:
  constexpr shared_mutex() noexcept = default;
  shared_mutex(const shared_mutex&) = delete;
  shared_mutex& operator=(const shared_mutex&) = delete;
  ~shared_mutex() = default;

  /// Takes the lock alone. Blocks only the fiber (or the plain thread), until nobody holds it.
  /// O(1), allocates nothing.
  void lock() {
    detail::explore_point();
    std::uint64_t expected = 0;
    if (RINGO_UNLIKELY(!queue_.change_strong(expected, writing))) lock_slow();
  }
  /// The same, but gives up with ctx.err() when the context is done, and at once if it is done on
  /// entry; readers that waited behind it go on then. Empty: the caller has the lock. Panics "nil
  /// context".
  [[nodiscard]] std::error_code lock(const context& ctx) {
    return lock_unless(detail::cancellation_of(ctx));
  }
  /// Takes the lock alone if nobody holds it; false: somebody does. Never blocks. O(1), allocates
  /// nothing.
  bool try_lock() noexcept;
  /// Lets go, and wakes all readers that wait, or else the first writer. Never blocks.
  /// Fatal: "sync: unlock of unlocked shared_mutex", also when only readers hold it. O(1) when
  /// nobody waits, else O(waiters); allocates nothing.
  void unlock() noexcept {
    detail::explore_point();
    std::uint64_t expected = writing;
    if (RINGO_UNLIKELY(!queue_.change_strong(expected, 0))) unlock_slow();
  }

  /// Takes the lock as one of many readers. Blocks only the fiber (or the plain thread), as long as
  /// a writer holds it or waits. O(1), allocates nothing.
  void lock_shared() {
    detail::explore_point();
    std::uint64_t word = 0;
    if (RINGO_UNLIKELY(!queue_.change_strong(word, reader))) lock_shared_slow();
  }
  /// The same, but gives up as lock(ctx) does.
  [[nodiscard]] std::error_code lock_shared(const context& ctx) {
    return lock_shared_unless(detail::cancellation_of(ctx));
  }
  /// Takes the lock as a reader if no writer holds it or waits; false: one does. Never blocks.
  /// O(1), allocates nothing.
  bool try_lock_shared() noexcept;
  /// Lets go; the last reader wakes the first writer that waits. Never blocks.
  /// Fatal: "sync: unlock_shared of unlocked shared_mutex", also when a writer holds it. O(1),
  /// allocates nothing.
  void unlock_shared() noexcept {
    detail::explore_point();
    std::uint64_t word = reader;
    if (RINGO_UNLIKELY(!queue_.change_strong(word, 0))) unlock_shared_slow(word);
  }

 private:
  using queue = detail::grant_queue;
  static constexpr std::uint64_t writing = 1U << queue::payload_shift;
  static constexpr std::uint64_t reader = 2U << queue::payload_shift;  // the unit of the count

  queue queue_;

  void lock_slow();
  void lock_shared_slow();
  void unlock_slow() noexcept;
  void unlock_shared_slow(std::uint64_t word) noexcept;
  std::error_code lock_unless(detail::cancellation* stop);
  std::error_code lock_shared_unless(detail::cancellation* stop);

  friend struct shared_mutex_rules;
};

}  // namespace ringo
