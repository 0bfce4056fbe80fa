#include "base/random.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>

#include "support/seed.hpp"

using namespace ringo::test;
using ringo::detail::random_source;

TEST_CASE("random: equal seeds give equal sequences, others do not") {
  random_source a(12345);
  random_source b(12345);
  random_source c(54321);
  int equal = 0;
  for (int i = 0; i < 1'000; ++i) {
    const std::uint64_t value = a.next();
    CHECK(value == b.next());
    equal += value == c.next() ? 1 : 0;
  }
  CHECK(equal == 0);
}

TEST_CASE("random: every seed works, zero too") {
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, UINT64_MAX}) {
    random_source source(seed);
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 1'000; ++i) seen.insert(source.next());
    CHECK(seen.size() == 1'000);
  }
}

// Chi-squared against the uniform distribution; the bound is passed by all but one in a million of
// good generators (mean n - 1, deviation sqrt(2 (n - 1)), five deviations).
TEST_CASE("random: below is uniform for every bound") {
  constexpr std::uint32_t bounds[] = {1, 2, 3, 5, 7, 8, 10, 61, 100};
  for (const std::uint32_t bound : bounds) {
    CAPTURE(bound);
    random_source source(seed() + bound);
    std::array<double, 100> counts{};
    const int trials = 10'000 * static_cast<int>(bound);
    for (int i = 0; i < trials; ++i) {
      const std::uint32_t value = source.below(bound);
      REQUIRE(value < bound);
      ++counts.at(value);
    }
    const double expected = static_cast<double>(trials) / bound;
    double chi = 0;
    for (std::uint32_t value = 0; value < bound; ++value) {
      chi += (counts.at(value) - expected) * (counts.at(value) - expected) / expected;
    }
    CHECK(chi <= bound - 1 + 6 * std::sqrt(2.0 * bound) + 10);
  }
}

TEST_CASE("random: below reaches both ends of large bounds") {
  random_source source(seed());
  std::uint32_t least = UINT32_MAX;
  std::uint32_t most = 0;
  for (int i = 0; i < 100'000; ++i) {
    const std::uint32_t value = source.below(UINT32_MAX);
    least = value < least ? value : least;
    most = value > most ? value : most;
  }
  CHECK(least < UINT32_MAX / 1'000);
  CHECK(most > UINT32_MAX - UINT32_MAX / 1'000);
}

// Successive values must not follow each other in a pattern: which case of two is chosen twice in a
// row.
TEST_CASE("random: successive values are independent") {
  random_source source(seed() + 1'000);
  std::array<double, 16> counts{};
  unsigned history = 0;
  constexpr int trials = 160'000;
  for (int i = 0; i < trials; ++i) {
    history = (history << 1 | source.below(2)) & 15U;
    ++counts.at(history);
  }
  for (const double count : counts) CHECK(std::abs(count - trials / 16.0) < 1'000);
}
