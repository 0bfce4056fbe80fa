#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace compare {

/// Counts of times in nanoseconds, exact to 1/64, in memory of a fixed size: recording allocates
/// nothing. As in HdrHistogram a value is put among 64 linear buckets of its power of two.
class histogram {
 public:
  constexpr void record(std::int64_t nanoseconds) {
    const std::size_t bucket = bucket_of(static_cast<std::uint64_t>(nanoseconds));
    ++counts_[bucket < counts_.size() ? bucket : counts_.size() - 1];
    ++count_;
  }

  constexpr std::int64_t count() const { return count_; }

  /// The largest value of the bucket that holds the given share of all values; 0 when empty.
  constexpr std::int64_t percentile(double share) const {
    auto left = static_cast<std::int64_t>(std::ceil(share * static_cast<double>(count_)));
    for (std::size_t bucket = 0; bucket < counts_.size(); ++bucket) {
      left -= counts_[bucket];
      if (left <= 0 && counts_[bucket] > 0) return largest_of(bucket);
    }
    return 0;
  }

  static constexpr std::size_t bucket_of(std::uint64_t value) {
    // The highest seven bits choose among 64 buckets, the highest of them being always set.
    const int shift = static_cast<int>(std::bit_width(value)) - linear_bits - 1;
    if (shift <= 0) return value;
    return (static_cast<std::size_t>(shift) << linear_bits) + (value >> shift);
  }

  static constexpr std::int64_t largest_of(std::size_t bucket) {
    const std::size_t power = bucket >> linear_bits;
    if (power <= 1) return static_cast<std::int64_t>(bucket);
    const std::size_t shift = power - 1;
    const std::size_t mantissa = bucket - (shift << linear_bits);
    return static_cast<std::int64_t>(((mantissa + 1) << shift) - 1);
  }

 private:
  static constexpr int linear_bits = 6;

  // Up to 2^37 ns, two minutes.
  std::array<std::int64_t, (31 + 1) << linear_bits> counts_{};
  std::int64_t count_ = 0;
};

}  // namespace compare
