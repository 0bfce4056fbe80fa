#pragma once

#include <atomic>
#include <cstdint>

#include <ringo/detail/annotations.hpp>
#include <ringo/detail/config.hpp>

namespace ringo::detail {

/// The lock of ringo's own short critical sections. Not for users: it blocks the thread.
///
/// Word: 0 free, 1 held, 2 held and somebody may sleep on it.
/// lock:   0 -> 1 by compare-exchange; else spin a bounded while; else set 2 and sleep on the word
///         with a timeout, and try again (then taking it as 2, since others may sleep too).
/// unlock: if the word is 1, store 0; else exchange to 0 and wake one sleeper.
/// The load and the store in unlock are not one step: a locker that sets 2 in between is not woken.
/// Its sleep is therefore bounded (sleep_ns_max); that saves a read-modify-write in each unlock.
/// The store is unlock's last touch of the lock, so the object that holds it may then be destroyed;
/// a late wake only passes the kernel an address.
///
/// It has no owner: a fiber may take it and the context it switched to may release it. The fiber then
/// calls prepare_handover() first (ThreadSanitizer would else order the next locker behind the
/// releaser only).
class RINGO_CAPABILITY("spinlock") spinlock {
 public:
  void lock() noexcept RINGO_ACQUIRE() {
    std::uint32_t expected = 0;
    if (RINGO_UNLIKELY(!word_.compare_exchange_strong(
            expected, 1, std::memory_order_acquire,  // pairs with unlock()
            std::memory_order_relaxed))) {           // relaxed: lock_slow() looks again
      lock_slow();
    }
  }

  bool try_lock() noexcept RINGO_TRY_ACQUIRE(true) {
    std::uint32_t expected = 0;
    return word_.compare_exchange_strong(expected, 1,
                                         std::memory_order_acquire,   // pairs with unlock()
                                         std::memory_order_relaxed);  // relaxed: nothing was taken
  }

  void unlock() noexcept RINGO_RELEASE() {
#if RINGO_TSAN
    // An exchange keeps what prepare_handover() released; a store would replace it.
    if (word_.exchange(0, std::memory_order_release) == 2) wake();  // pairs with lock()
#else
    // relaxed: a value of 2 that comes later is covered by the sleeper's timeout
    if (RINGO_LIKELY(word_.load(std::memory_order_relaxed) == 1)) {
      word_.store(0, std::memory_order_release);  // pairs with lock()
    } else {
      unlock_slow();
    }
#endif
  }

  void prepare_handover() noexcept {
#if RINGO_TSAN
    word_.fetch_add(0, std::memory_order_release);  // pairs with lock()
#endif
  }

 private:
  std::atomic<std::uint32_t> word_{0};  // atomic: see above

  void lock_slow() noexcept;
  void unlock_slow() noexcept;
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
