#pragma once

#include <chrono>
#include <cstdint>

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

/// The cheapest clock that all CPUs share, in units of its own: what it counts in a second is found
/// out by comparing it with the real one.

namespace ringo::detail {

/// Whether the CPU's time stamp counter runs at one speed, whatever the CPU does, and is the same
/// for all of them. ("Invariant TSC": Intel SDM vol. 3, 18.17.1; AMD APM vol. 3, E.4.7.)
inline bool has_steady_counter() noexcept {
#if defined(__x86_64__)
  static const bool steady = [] {
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & (1U << 8)) != 0;
  }();
  return steady;
#else
  return false;
#endif
}

inline std::uint64_t tick_now() noexcept {
#if defined(__x86_64__)
  if (has_steady_counter()) return __rdtsc();
#endif
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

}  // namespace ringo::detail
