#pragma once

#include <atomic>
#include <cstdint>

#include <ringo/detail/annotations.hpp>
#include <ringo/detail/config.hpp>

namespace ringo::detail {

/// The lock of ringo's own short critical sections. Not for users: it blocks the thread.
///
/// lock:   word 0 -> 1 by compare-exchange; else look again after growing delays; else count as a
/// sleeper, and sleep on the word
///         with a timeout until it can be taken.
/// unlock: read the number of sleepers, store 0 in the word, and wake one if there were any.
/// A locker that begins to sleep between that read and that store is not woken; its sleep is
/// therefore bounded (sleep_max). That saves a read-modify-write in each unlock; and since the
/// number of sleepers is a word of its own, unlock does not wait for the lock's compare-exchange to
/// leave the store buffer. The store is unlock's last touch of the lock, so the object that holds
/// it may then be destroyed; a late wake only passes the kernel an address.
///
/// It has no owner: a fiber may take it and the context it switched to may release it. The fiber
/// then calls prepare_handover() first (ThreadSanitizer would else order the next locker behind the
/// releaser only).
class RINGO_CAPABILITY("spinlock") spinlock {
 public:
  void lock() noexcept RINGO_ACQUIRE() {
    std::uint32_t expected = 0;
    if (RINGO_UNLIKELY(!word_.compare_exchange_strong(
            expected,
            1,
            std::memory_order_acquire,      // pairs with unlock()
            std::memory_order_relaxed))) {  // relaxed: lock_slow() looks again
      lock_slow();
    }
  }

  bool try_lock() noexcept RINGO_TRY_ACQUIRE(true) {
    std::uint32_t expected = 0;
    return word_.compare_exchange_strong(expected,
                                         1,
                                         std::memory_order_acquire,   // pairs with unlock()
                                         std::memory_order_relaxed);  // relaxed: nothing was taken
  }

  void unlock() noexcept RINGO_RELEASE() {
    // relaxed: a sleeper that is missed wakes by itself
    const bool wake_due = sleepers_.load(std::memory_order_relaxed) != 0;
#if RINGO_TSAN
    // An exchange keeps what prepare_handover() released; a store would replace it. Clang makes a
    // store of an exchange whose result nobody uses.
    const auto before = word_.exchange(0, std::memory_order_release);  // pairs with lock()
    asm volatile("" ::"r"(before));
#else
    word_.store(0, std::memory_order_release);  // pairs with lock()
#endif
    if (RINGO_UNLIKELY(wake_due)) wake();
  }

  void prepare_handover() noexcept {
#if RINGO_TSAN
    const auto before = word_.fetch_add(0, std::memory_order_release);  // pairs with lock()
    asm volatile("" ::"r"(before));
#endif
  }

 private:
  std::atomic<std::uint32_t> word_{0};      // atomic: see above
  std::atomic<std::uint32_t> sleepers_{0};  // atomic: see above

  void lock_slow() noexcept RINGO_NO_THREAD_SAFETY;
  void wake() noexcept;
};

/// Holds a spinlock for a scope.
class RINGO_SCOPED_CAPABILITY spin_guard {
 public:
  explicit spin_guard(spinlock& lock) noexcept RINGO_ACQUIRE(lock) : lock_(lock) { lock.lock(); }
  ~spin_guard() RINGO_RELEASE() { lock_.unlock(); }
  spin_guard(const spin_guard&) = delete;
  spin_guard& operator=(const spin_guard&) = delete;

 private:
  spinlock& lock_;
};

}  // namespace ringo::detail
