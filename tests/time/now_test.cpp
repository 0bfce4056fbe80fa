// now(): the clock of the timers.

#include <ringo/time/now.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <ctime>
#include <type_traits>

#include "support/run_on.hpp"

using namespace ringo::test;

namespace {

std::chrono::nanoseconds monotonic() {
  std::timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

// A step of the wall clock cannot be tried without the right to set it; this one has none.
TEST_CASE("TM-3: timing uses the monotonic clock") {
  static_assert(std::is_same_v<decltype(ringo::now()), std::chrono::steady_clock::time_point>);
  static_assert(std::chrono::steady_clock::is_steady);
  const auto check = [] {
    auto before = monotonic();
    for (int i = 0; i < 1'000; ++i) {
      const auto now = ringo::now().time_since_epoch();
      EXPECT(now >= before);
      before = monotonic();
      EXPECT(before >= now);
    }
  };
  check();
  run_on_each(check);
}
