#pragma once

#include <atomic>
#include <cstdint>

#include <ringo/detail/config.hpp>
#include <ringo/detail/intrusive_list.hpp>

/// What the locks and counters of sync/ are made of: a state word and the queue of those who wait.
///
/// Word: bit 0, somebody waits; bit 1, the queue is locked; the rest belongs to the primitive.
/// Nobody changes the word while bit 1 is set, but for whoever set it.
///
/// Why one word: a primitive may be destroyed as soon as the call that waited for it has returned,
/// even while the call that let it go is still returning elsewhere. So letting go must be a single
/// step, and the last touch:
/// - nobody waits: one read-modify-write of the word;
/// - else: lock the queue, detach those to be woken, then publish the new state and drop the lock
///   in one store; only after it ready them.
/// And no call may return as long as the queue is locked: its holder is still about to touch the
/// word. Whoever takes a waiter out early, to give up, takes the queue lock too: sync_cancel.hpp.

namespace ringo::detail {

struct fiber;
struct park_kind;
struct sync_listener;

template <typename Word>
class sync_queue;

/// How a wait has ended.
enum class wait_outcome : std::uint8_t {
  woken,      ///< not yet; or taken out by a waker, who has handed over nothing
  granted,    ///< the waker has handed over what was waited for
  refused,    ///< a waker has taken it out, and there is nothing to be had any more
  called_off  ///< given up: it is in no queue, and does not touch the primitive any more
};

template <typename Word>
struct sync_waiter {
  sync_waiter* next = nullptr;  // links: guarded by the queue lock
  sync_waiter* prev = nullptr;
  bool linked = false;
  // Given up while it was in no queue: it must not queue again. Guarded by the queue lock.
  bool called_off = false;
  wait_outcome outcome = wait_outcome::woken;  // set by who takes it out, under the queue lock
  fiber* who = nullptr;
  Word publish = 0;  // the word once this waiter is at rest; its own, and its departure's
  sync_listener* listener = nullptr;  // immutable while it waits; null: it never gives up
  // Null once the primitive is gone, or is done with this waiter.
  std::atomic<sync_queue<Word>*> owner{nullptr};
};

template <typename Word>
class sync_queue {
 public:
  static constexpr Word waiting = 1;
  static constexpr Word locked_queue = 2;
  static constexpr Word flags = waiting | locked_queue;
  static constexpr int payload_shift = 2;

  explicit constexpr sync_queue(Word initial = 0) noexcept : word_(initial) {}
  sync_queue(const sync_queue&) = delete;
  sync_queue& operator=(const sync_queue&) = delete;
  ~sync_queue() {
    if (RINGO_UNLIKELY((load() & waiting) != 0)) orphan();
  }

  Word load() const noexcept {
    return word_.load(std::memory_order_acquire);  // pairs with change(), publish()
  }

  /// One step from `expected` (updated on failure) to `desired`; acquires and releases.
  bool change(Word& expected, Word desired) noexcept {
    return word_.compare_exchange_weak(expected,
                                       desired,
                                       std::memory_order_acq_rel,   // pairs with itself
                                       std::memory_order_acquire);  // pairs with the above
  }
  /// The same without spurious failure.
  bool change_strong(Word& expected, Word desired) noexcept {
    return word_.compare_exchange_strong(expected,
                                         desired,
                                         std::memory_order_acq_rel,   // pairs with itself
                                         std::memory_order_acquire);  // pairs with the above
  }

  /// A short wait while somebody else holds the queue lock. `turn` counts the calls of one loop.
  static void pause(unsigned& turn) noexcept;
  /// Waits until `word`, which was read a moment ago, has no lock bit; reads it again meanwhile.
  void await_unlocked(Word& word) const noexcept {
    if (RINGO_UNLIKELY((word & locked_queue) != 0)) reload(word);
  }

  /// Locks the queue; returns the word without the lock bit.
  Word lock() noexcept;
  /// If the word is still `expected` (which has no lock bit), locks the queue.
  bool try_lock(Word& expected) noexcept {
    return change_strong(expected, expected | locked_queue);
  }
  /// Publishes a new word and drops the lock. The last touch.
  void publish(Word word) noexcept {
#if RINGO_TSAN
    // Keeps what a departing waiter released, see spinlock::prepare_handover(); a store would
    // replace it. The result is used, or else Clang makes a store of it.
    const auto before =
        word_.exchange(word, std::memory_order_release);  // pairs with load(), change()
    asm volatile("" ::"r"(before));
#else
    word_.store(word, std::memory_order_release);  // pairs with load(), change()
#endif
  }

  // With the queue locked:
  bool empty() const noexcept {
    return list_.empty();
  }
  sync_waiter<Word>* front() const noexcept {
    return list_.front();
  }
  sync_waiter<Word>* pop() noexcept {
    return list_.pop_front();
  }
  void push_back(sync_waiter<Word>* waiter) noexcept {
    list_.push_back(waiter);
  }
  void erase(sync_waiter<Word>* waiter) noexcept {
    list_.erase(waiter);
  }
  /// Queues the caller (first, if it has waited before), parks it, and publishes `word` once it is
  /// at rest. Called off already, it publishes `word` and returns at once.
  enum class place : std::uint8_t { back, front };
  wait_outcome wait(sync_waiter<Word>& self, Word word, place where, const park_kind& kind);
  /// Publishes `word`, then readies everybody who was in the queue; each wait has ended so.
  void release_all(Word word, wait_outcome how = wait_outcome::granted) noexcept;

  /// For park_kind.
  static void after_wait(void* waiter) noexcept;
  static bool claim(void* waiter) noexcept;
  static void dropped(void* waiter) noexcept;

  /// Ends what still links a waiter to a primitive that goes: who cancels it, and the end of the
  /// run, must not look for the primitive any more.
  static void cut_off(sync_waiter<Word>& waiter) noexcept;

 protected:
  /// The primitive goes while somebody waits: those who do can never be woken.
  void orphan() noexcept;

 private:
  std::atomic<Word> word_;
  intrusive_list<sync_waiter<Word>> list_;

  void reload(Word& word) const noexcept;
};

extern template class sync_queue<std::uint32_t>;
extern template class sync_queue<std::uint64_t>;

}  // namespace ringo::detail
