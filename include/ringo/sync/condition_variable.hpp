#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <system_error>

#include <ringo/detail/cancellable.hpp>
#include <ringo/detail/sync_queue.hpp>

namespace ringo {
namespace detail {

struct condition_waiter : sync_waiter<std::uint32_t> {
  std::atomic<std::uintptr_t> stage{0};  // atomic: see lib/sync/condition_variable.cpp
};

/// A lock of the user's.
struct lock_calls {
  void* lock;
  void (*take)(void* lock);
  void (*let_go)(void* lock);
};

template <typename Lock>
concept basic_lockable = requires(Lock& lock) {
  lock.lock();
  lock.unlock();
};

}  // namespace detail

/// Go's sync.Cond: lets those who hold a lock sleep until somebody tells them that what the lock
/// guards has changed. Unlike std's, it never wakes spuriously, and the longest sleeper wakes
/// first. Still, another one may have taken the lock before the woken one has it again: wait in a
/// loop, or with a predicate.
///
/// Thread-safe, but for the destructor. May be made and used before and after run(). May be
/// destroyed as soon as everybody who waits has been notified, even before their wait() and while
/// the notify_one() or notify_all() is still returning; who waits for a destroyed one waits for
/// ever.
/// What was done before a notification is visible after the wait() it ends.
/// Source: Go's sync.Cond.
class condition_variable {
 public:
  constexpr condition_variable() noexcept = default;
  condition_variable(const condition_variable&) = delete;
  condition_variable& operator=(const condition_variable&) = delete;
  ~condition_variable() = default;

  /// Unlocks, sleeps until notified, and locks again. Whoever notifies under the lock, or after he
  /// has had it, finds the caller waiting. Lock is any BasicLockable: std::unique_lock,
  /// std::shared_lock, a mutex itself. Blocks only the fiber (or the plain thread). What
  /// lock.unlock() throws leaves wait() without sleeping, and the caller is not waiting any more.
  /// O(1), allocates nothing.
  template <detail::basic_lockable Lock>
  void wait(Lock& lock) {
    (void)wait_unless(nullptr, calls_of(lock));
  }

  /// The same as while (!holds()) wait(lock); so `holds` runs with the lock held.
  template <detail::basic_lockable Lock, std::predicate Predicate>
  void wait(Lock& lock, Predicate holds) {
    while (!holds()) wait(lock);
  }

  /// As wait(lock), but gives up with ctx.err() when the context is done; at once, and without
  /// unlocking, if it is done on entry. Empty: it was notified. In any case the caller has the lock
  /// again, and taking it does not give up. No notification is lost: one who gives up has taken
  /// none. Panics "nil context".
  template <detail::basic_lockable Lock>
  [[nodiscard]] std::error_code wait(const context& ctx, Lock& lock) {
    return wait_unless(detail::cancellation_of(ctx), calls_of(lock));
  }

  /// Waits until holds(), which runs with the lock held, and gives up as the above; a context that
  /// is done on entry wins over a predicate that holds. Empty: it holds.
  template <detail::basic_lockable Lock, std::predicate Predicate>
  [[nodiscard]] std::error_code wait(const context& ctx, Lock& lock, Predicate holds) {
    detail::cancellation* const stop = detail::cancellation_of(ctx);
    if (const auto given_up = detail::code_if_done(stop)) return given_up;
    while (!holds()) {
      if (const auto given_up = wait_unless(stop, calls_of(lock))) return given_up;
    }
    return {};
  }

  /// Wakes the one who has waited longest; nothing, and nothing is remembered, if nobody waits.
  /// With or without the lock held. Never blocks. O(1), one load if nobody waits; allocates
  /// nothing.
  void notify_one() noexcept;
  /// Wakes everybody who waits now. Else as notify_one(). O(waiters), allocates nothing.
  void notify_all() noexcept;

 private:
  using queue = detail::sync_queue<std::uint32_t>;

  queue queue_;

  template <typename Lock>
  static detail::lock_calls calls_of(Lock& lock) noexcept {
    return {&lock,
            [](void* it) { static_cast<Lock*>(it)->lock(); },
            [](void* it) { static_cast<Lock*>(it)->unlock(); }};
  }

  std::error_code wait_unless(detail::cancellation* stop, const detail::lock_calls& lock);
  bool enlist(detail::condition_waiter& self);
  static void sleep(detail::condition_waiter& self) noexcept;

  friend struct condition_waits;
};

}  // namespace ringo
