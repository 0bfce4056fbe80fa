#pragma once

#include <cstdint>
#include <system_error>

#include <ringo/detail/cancellable.hpp>
#include <ringo/detail/intrusive_list.hpp>
#include <ringo/detail/sync_queue.hpp>

/// A sync_queue whose waker hands over what was waited for: tokens of a semaphore, a lock. Steps
/// and invariants: lib/sync/grant_queue.cpp.

namespace ringo::detail {

class grant_queue;

/// What a primitive tells about its word. But for the first, the word comes and goes without the
/// flags of sync_queue.
struct grant_rules {
  /// Whether a newcomer that wants so much may come in now; makes `word` what it is then. The word
  /// has no lock bit.
  bool (*enter)(std::uint64_t& word, std::uint64_t wants) noexcept;
  /// With the queue locked: grants those at the front whose turn it is, and returns the word that
  /// counts them as holders. Changes nothing when called again.
  std::uint64_t (*settle)(grant_queue& queue, std::uint64_t word) noexcept;
  /// The word once a grant of `wants` has been given back.
  std::uint64_t (*give_back)(std::uint64_t word, std::uint64_t wants) noexcept;
};

struct grant_waiter : sync_waiter<std::uint64_t> {
  grant_waiter(std::uint64_t wanted, const grant_rules& of) noexcept : wants(wanted), rules(&of) {}

  std::uint64_t wants;  // immutable after construction; the primitive's own meaning
  const grant_rules* rules;
  grant_waiter* wake_next = nullptr;  // the waker's own, from the grant to ready()
};

class grant_queue : public sync_queue<std::uint64_t> {
 public:
  using word_type = std::uint64_t;

  explicit constexpr grant_queue(word_type initial = 0) noexcept : sync_queue(initial) {}
  grant_queue(const grant_queue&) = delete;
  grant_queue& operator=(const grant_queue&) = delete;
  ~grant_queue() {
    // The load orders what follows behind the last publish(). Those who wait go first: while one of
    // them can be called off, others may be granted something.
    if (RINGO_UNLIKELY((load() & waiting) != 0)) orphan();
    if (RINGO_UNLIKELY(!handed_.empty())) forget_handed();
  }

  // With the queue locked:
  grant_waiter* front() const noexcept { return static_cast<grant_waiter*>(sync_queue::front()); }
  static grant_waiter* after(const grant_waiter* waiter) noexcept {
    return static_cast<grant_waiter*>(waiter->next);
  }
  /// Takes one who waits out of the queue; settle_and_publish() readies it.
  void grant(grant_waiter* waiter) noexcept;
  /// Comes in if that is possible at once. Never blocks.
  bool try_enter(word_type wants, const grant_rules& rules) noexcept {
    for (word_type word = load();;) {
      await_unlocked(word);
      word_type inside = word;
      if (!rules.enter(inside, wants)) return false;
      if (change(word, inside)) return true;
    }
  }
  /// Comes in at once, or waits for it.
  void enter(word_type wants, const grant_rules& rules, const park_kind& kind) {
    if (!try_enter(wants, rules)) enter_slow(wants, rules, kind);
  }
  /// The same, unless `stop` is done, on entry or before; null: it never is.
  std::error_code enter_unless(cancellation* stop,
                               word_type wants,
                               const grant_rules& rules,
                               const park_kind& kind);
  /// With the queue locked: settles, publishes the word that results, and readies everybody who was
  /// granted.
  void settle_and_publish(word_type word, const grant_rules& rules) noexcept;

  /// The same, but leaves them to be readied by the caller, linked through `wake_next`.
  grant_waiter* settle_then_publish(word_type word, const grant_rules& rules) noexcept;

  /// For park_kind, beside after_wait.
  static bool claim(void* waiter) noexcept;
  static void dropped(void* waiter) noexcept;

 private:
  intrusive_list<sync_waiter<word_type>> handed_;  // guarded by the queue lock
  grant_waiter* wake_first_ = nullptr;             // guarded by the queue lock
  grant_waiter* wake_last_ = nullptr;              // valid only while wake_first_ is set

  void enter_slow(word_type wants, const grant_rules& rules, const park_kind& kind);
  bool enter_slow(grant_waiter& self, const park_kind& kind);
  bool wait(grant_waiter& self, word_type word, const park_kind& kind);
  void forget_handed() noexcept;
};

}  // namespace ringo::detail
