#pragma once

#include <cstdint>
#include <numeric>

namespace ringo::detail {

/// The numbers below `count`, each once, in one of many orders: from a random start on in steps of
/// a random number that shares no factor with `count`. So thieves that set out together do not
/// follow each other from victim to victim, and nothing is stored. After Go's randomOrder.
class steal_order {
 public:
  /// The random numbers are below `count`, which is not 0.
  steal_order(std::uint32_t count, std::uint32_t start, std::uint32_t step) noexcept
      : count_(count), next_(start), step_(step) {
    while (std::gcd(step_, count_) != 1) ++step_;  // 0 becomes 1
    step_ %= count_;
  }

  std::uint32_t next() noexcept {
    const std::uint32_t now = next_;
    next_ += step_;
    if (next_ >= count_) next_ -= count_;
    return now;
  }

 private:
  std::uint32_t count_;
  std::uint32_t next_;
  std::uint32_t step_;
};

}  // namespace ringo::detail
