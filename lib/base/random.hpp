#pragma once

#include <cstdint>

namespace ringo::detail {

/// xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled").
/// For fairness among cases and victims, not for secrets. One owner.
class random_source {
 public:
  explicit random_source(std::uint64_t seed) noexcept : state_(seed | 1) {}

  std::uint64_t next() noexcept {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1DULL;
  }

  /// Uniform in [0, bound), bound > 0 (Lemire's multiply-shift; its bias is below 2^-32 * bound).
  std::uint32_t below(std::uint32_t bound) noexcept {
    return static_cast<std::uint32_t>(((next() >> 32) * bound) >> 32);
  }

 private:
  std::uint64_t state_;
};

}  // namespace ringo::detail
