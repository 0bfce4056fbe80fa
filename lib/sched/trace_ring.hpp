#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include <ringo/detail/config.hpp>

#include "base/tick_clock.hpp"

/// What one worker has to tell a trace: a bounded queue from the worker to the tracer's thread.
///
/// Invariant: the events at [tail, head) are told and not read yet; head is the worker's, tail the
/// reader's.
///   worker, note: slot[head] = event; head + 1 (release)
///   reader:       head (acquire), read slots [tail, head), tail = head (release)
/// A slot is reused only after tail has passed it, and a worker that finds no room looks at tail
/// with acquire. What finds no room is counted and dropped: nobody waits for the reader. The number
/// of those is told ahead of the next event that finds room.
///
/// The worker's thread is one writer, but its fibers are threads to ThreadSanitizer: so all of it
/// is atomic, and relaxed where the above says no more. A ring is never unmapped: a worker may tell
/// of something a moment after the end of the trace.

namespace ringo::detail {

/// What has happened. The three words of each kind are in this order.
enum class trace_kind : std::uint8_t {
  run,    ///< a worker turns to: fiber's control block, its id; and the fiber before did (text)
  wake,   ///< the worker has made ready: fiber's id
  first,  ///< a fiber is about to run for the first time: id, spawn site
  name,   ///< the name of that one, 24 bytes of it
  span,   ///< something took from `then` to now: text, then, a number
  mark,   ///< something happened: text, unused, a number
  lost    ///< so many events found no room before this
};

struct trace_event {
  std::uint64_t at = 0;  // tick_now()
  trace_kind kind = trace_kind::mark;
  std::array<std::uint64_t, 3> words{};
};

class trace_ring {
 public:
  static constexpr std::uint64_t capacity = std::uint64_t{1} << 16;  // 2 MiB

  // The worker's.
  void note(trace_kind kind,
            std::uint64_t first,
            std::uint64_t second = 0,
            std::uint64_t third = 0) noexcept {
    const std::uint64_t now = tick_now();
    if (RINGO_UNLIKELY(lost_.load(relaxed) != 0)) {
      if (!has_room(2)) return lose();
      put(now, trace_kind::lost, {lost_.load(relaxed), 0, 0});
      lost_.store(0, relaxed);
    }
    if (RINGO_UNLIKELY(!has_room(1))) return lose();
    put(now, kind, {first, second, third});
  }
  void note(trace_kind kind,
            const char* text,
            std::uint64_t second = 0,
            std::uint64_t third = 0) noexcept {
    note(kind, reinterpret_cast<std::uint64_t>(text), second, third);
  }
  void note_name(const char* name) noexcept {
    const std::array<std::uint64_t, 3> words = packed(name);
    note(trace_kind::name, words[0], words[1], words[2]);
  }

  // The reader's.
  /// Makes the ring empty. While nobody reads it.
  void reset() noexcept {
    lost_.store(0, relaxed);  // a worker that is late may still count: so much is lost twice
    const std::uint64_t head = head_.load(std::memory_order_acquire);  // pairs with put()
    tail_.store(head, std::memory_order_release);                      // pairs with has_room()
  }
  std::uint64_t head() const noexcept {
    return head_.load(std::memory_order_acquire);  // pairs with put()
  }
  std::uint64_t tail() const noexcept { return tail_.load(relaxed); }
  trace_event at(std::uint64_t place) const noexcept {
    const slot& from = slots_[place % capacity];
    const std::uint64_t stamp = from[0].load(relaxed);
    return {stamp >> kind_bits,
            static_cast<trace_kind>(stamp & ((1U << kind_bits) - 1)),
            {from[1].load(relaxed), from[2].load(relaxed), from[3].load(relaxed)}};
  }
  void advance(std::uint64_t to) noexcept {
    tail_.store(to, std::memory_order_release);  // pairs with has_room()
  }

 private:
  static constexpr auto relaxed = std::memory_order_relaxed;  // relaxed: see above
  static constexpr unsigned kind_bits = 3;
  using slot = std::array<std::atomic<std::uint64_t>, 4>;

  alignas(cache_line) std::atomic<std::uint64_t> head_{0};
  std::atomic<std::uint64_t> seen_tail_{0};  // the worker's
  std::atomic<std::uint64_t> lost_{0};       // the worker's, but for reset()
  alignas(cache_line) std::atomic<std::uint64_t> tail_{0};
  alignas(cache_line) std::array<slot, capacity> slots_{};

  /// Not instrumented: the fiber that frees the name goes on on this thread, after this.
  RINGO_NO_TSAN static std::array<std::uint64_t, 3> packed(const char* name) noexcept {
    std::array<std::uint64_t, 3> words{};
    for (unsigned i = 0; i < sizeof words && name[i] != '\0'; ++i) {
      words[i / 8] |= std::uint64_t{static_cast<unsigned char>(name[i])} << i % 8 * 8;
    }
    return words;
  }

  bool has_room(std::uint64_t wanted) noexcept {
    const std::uint64_t head = head_.load(relaxed);
    if (RINGO_LIKELY(head + wanted - seen_tail_.load(relaxed) <= capacity)) return true;
    seen_tail_.store(tail_.load(std::memory_order_acquire), relaxed);  // pairs with advance()
    return head + wanted - seen_tail_.load(relaxed) <= capacity;
  }

  void put(std::uint64_t now, trace_kind kind, const std::array<std::uint64_t, 3>& words) noexcept {
    const std::uint64_t head = head_.load(relaxed);
    slot& to = slots_[head % capacity];
    to[0].store(now << kind_bits | static_cast<std::uint64_t>(kind), relaxed);
    for (std::size_t i = 0; i < words.size(); ++i) to[i + 1].store(words[i], relaxed);
    head_.store(head + 1, std::memory_order_release);  // pairs with head()
  }

  void lose() noexcept { lost_.store(lost_.load(relaxed) + 1, relaxed); }
};

}  // namespace ringo::detail
