#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace ringo::test {

/// The seed of this process: RINGO_SEED, else a fresh one. Printed when first asked for, so that a
/// failure can be run again.
inline std::uint64_t seed() {
  static const std::uint64_t value = [] {
    const char* const given = std::getenv("RINGO_SEED");
    const std::uint64_t chosen =
        given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
    std::fprintf(stderr, "RINGO_SEED=%llu\n", static_cast<unsigned long long>(chosen));
    return chosen;
  }();
  return value;
}

/// A generator of its own for each `stream` (a fiber, a round), all derived from the seed.
inline std::mt19937_64 generator(std::uint64_t stream) {
  std::seed_seq sequence{seed(), seed() >> 32, stream, stream >> 32};
  return std::mt19937_64(sequence);
}

}  // namespace ringo::test
