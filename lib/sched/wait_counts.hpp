#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "sched/worker_local.hpp"
#include "source/clock.hpp"

namespace ringo::detail {

/// How often a worker has measured a wait of so long. Its own; others read it at any time.
class wait_counts {
 public:
  /// The first for up to 1 us, each for up to twice as long as the one before; the last for all the
  /// rest.
  static constexpr std::size_t buckets = 24;

  static std::size_t bucket_of(nanoseconds wait) noexcept {
    const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(wait.count(), 0));
    const std::uint64_t us = ns / 1000 + (ns % 1000 != 0 ? 1 : 0);
    return us <= 1 ? 0 : std::min<std::size_t>(std::bit_width(us - 1), buckets - 1);
  }

  void add(nanoseconds wait) noexcept {
    auto& count = counts_[bucket_of(wait)];
    count.set(count.get() + 1);
    total_ns_.set(total_ns_.get() + std::max<std::int64_t>(wait.count(), 0));
  }

  std::uint64_t count(std::size_t bucket) const noexcept { return counts_[bucket].get(); }
  nanoseconds total() const noexcept { return nanoseconds(total_ns_.get()); }

 private:
  std::array<worker_local<std::uint64_t>, buckets> counts_{};
  worker_local<std::int64_t> total_ns_;
};

}  // namespace ringo::detail
