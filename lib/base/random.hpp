#pragma once

#include <atomic>
#include <cstdint>

namespace ringo::detail {

/// xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators,
/// scrambled"). For fairness among cases and victims, not for secrets. One owner.
class random_source {
 public:
  explicit random_source(std::uint64_t seed) noexcept : state_(seed | 1) {}

  /// As one made with `seed`.
  void restart(std::uint64_t seed) noexcept {
    state_.store(seed | 1, std::memory_order_relaxed);  // relaxed: one owner
  }

  std::uint64_t next() noexcept {
    std::uint64_t state = state_.load(std::memory_order_relaxed);  // relaxed: one owner
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    state_.store(state, std::memory_order_relaxed);  // relaxed: one owner
    return state * 0x2545F4914F6CDD1DULL;
  }

  /// Uniform in [0, bound), bound > 0 (Lemire's multiply-shift; its bias is below 2^-32 * bound).
  std::uint32_t below(std::uint32_t bound) noexcept {
    return static_cast<std::uint32_t>(((next() >> 32) * bound) >> 32);
  }

 private:
  // Atomic only because the fibers of one worker, its owner, are threads to ThreadSanitizer.
  std::atomic<std::uint64_t> state_;
};

}  // namespace ringo::detail
