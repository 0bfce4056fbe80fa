#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

#include <ringo/detail/config.hpp>

#include "fiber/fiber.hpp"

/// A worker's bounded run queue: a ring that its owner fills and empties in FIFO order, and from
/// which thieves take the older half (the design of Go's runq).
///
/// Invariant: the fibers at [head, tail) are queued; tail is written by the owner only, head by
/// whoever wins a compare-exchange on it.
///   owner, push:  slot[tail] = f; tail + 1 (release)
///   taker:        head (acquire), tail, copy slots [head, head + n), CAS head -> head + n
///   (release)
/// A slot is reused only after head has passed it, and push() reads head with acquire, so that a
/// taker's copy is over before the slot is overwritten; a copy that was overwritten all the same
/// belongs to a taker whose CAS fails.

namespace ringo::detail {

class run_queue {
 public:
  static constexpr std::uint32_t capacity = 256;

  /// Owner. False: full.
  bool push(fiber* f) noexcept {
    const auto head = head_.load(std::memory_order_acquire);  // pairs with the takers' CAS
    const auto tail = tail_.load(std::memory_order_relaxed);  // relaxed: own field
    if (RINGO_UNLIKELY(tail - head >= capacity)) return false;
    slots_[tail % capacity].store(f, std::memory_order_relaxed);  // relaxed: published by tail
    tail_.store(tail + 1, std::memory_order_release);             // pairs with steal_half()
    return true;
  }

  /// Owner. The oldest fiber, or null.
  fiber* pop() noexcept {
    // relaxed: own field. To TSan the owner's fibers are threads of their own, and what they find
    // here another of them has stolen, which pairs with steal_half().
    constexpr auto own = RINGO_TSAN ? std::memory_order_acquire : std::memory_order_relaxed;
    auto head = head_.load(std::memory_order_acquire);  // pairs with steal_half()
    for (;;) {
      const auto tail = tail_.load(own);
      if (tail == head) return nullptr;
      // relaxed: the owner wrote it; acquire below for what the pusher did
      fiber* f = slots_[head % capacity].load(std::memory_order_relaxed);
      if (RINGO_LIKELY(
              head_.compare_exchange_weak(head,
                                          head + 1,
                                          std::memory_order_acq_rel,      // pairs with push()
                                          std::memory_order_acquire))) {  // pairs with takers
        return f;
      }
    }
  }

  /// The owner of `into` takes the older half of this queue: returns one fiber, the rest is in
  /// `into`, which must be empty. Null: nothing there.
  fiber* steal_half(run_queue& into) noexcept {
    auto head = head_.load(std::memory_order_acquire);  // pairs with the other takers
    for (;;) {
      const auto tail = tail_.load(std::memory_order_acquire);  // pairs with push()
      const auto queued = tail - head;
      const auto count = queued - queued / 2;
      if (count == 0) return nullptr;
      if (count > capacity / 2) {                      // head and tail were read at different times
        head = head_.load(std::memory_order_acquire);  // pairs with the other takers
        continue;
      }
      const auto base = into.tail_.load(std::memory_order_relaxed);  // relaxed: own field
      for (std::uint32_t i = 0; i < count; ++i) {
        // relaxed: tail's acquire above covers the slots; `into` publishes them below
        fiber* f = slots_[(head + i) % capacity].load(std::memory_order_relaxed);
        into.slots_[(base + i) % capacity].store(f,
                                                 std::memory_order_relaxed);  // relaxed: as above
      }
      if (head_.compare_exchange_weak(head,
                                      head + count,
                                      std::memory_order_acq_rel,     // pairs with push()
                                      std::memory_order_acquire)) {  // pairs with the other takers
        // relaxed: `into` belongs to the caller
        fiber* last = into.slots_[(base + count - 1) % capacity].load(std::memory_order_relaxed);
        if (count > 1) {
          into.tail_.store(base + count - 1, std::memory_order_release);  // pairs with steal_half()
        }
        return last;
      }
    }
  }

  /// Owner. Moves the older half out, for the inject queue; up to `capacity / 2` fibers.
  std::uint32_t take_half(fiber** out) noexcept {
    auto head = head_.load(std::memory_order_acquire);  // pairs with steal_half()
    for (;;) {
      const auto tail = tail_.load(std::memory_order_relaxed);  // relaxed: own field
      const auto count = (tail - head) / 2;
      for (std::uint32_t i = 0; i < count; ++i) {
        // relaxed: the owner wrote them
        out[i] = slots_[(head + i) % capacity].load(std::memory_order_relaxed);
      }
      if (head_.compare_exchange_weak(head,
                                      head + count,
                                      std::memory_order_acq_rel,     // pairs with push()
                                      std::memory_order_acquire)) {  // pairs with steal_half()
        return count;
      }
    }
  }

  /// Owner. Calls visit(fiber) for up to `limit` of the oldest; others may be taking them.
  template <typename Visit>
  void peek(std::uint32_t limit, Visit visit) const noexcept {
    const std::uint32_t from = head();
    const std::uint32_t count = std::min(size(), limit);
    for (std::uint32_t i = 0; i < count; ++i) {
      // relaxed: the owner wrote it
      visit(*slots_[(from + i) % capacity].load(std::memory_order_relaxed));
    }
  }

  /// How many fibers were ever taken, and put in; both wrap. Any thread; snapshots.
  std::uint32_t head() const noexcept {
    return head_.load(std::memory_order_acquire);  // pairs with takers
  }
  std::uint32_t tail() const noexcept {
    return tail_.load(std::memory_order_acquire);  // pairs with push()
  }

  /// Any thread; a snapshot.
  bool empty() const noexcept { return size() == 0; }
  std::uint32_t size() const noexcept {
    const std::uint32_t from = head();
    const std::uint32_t to = tail();
    return to - from > capacity ? 0 : to - from;
  }

 private:
  alignas(cache_line) std::atomic<std::uint32_t> head_{0};
  alignas(cache_line) std::atomic<std::uint32_t> tail_{0};
  std::array<std::atomic<fiber*>, capacity> slots_{};
};

}  // namespace ringo::detail
