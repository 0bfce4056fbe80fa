// now(): the clock of the timers.

#include <ringo/time/now.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <ctime>
#include <type_traits>

#include <ringo/context.hpp>
#include <ringo/time/after.hpp>
#include <ringo/time/timer.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/virtual_time.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;

namespace {

std::chrono::nanoseconds monotonic() {
  std::timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

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

// Each step puts the wall clock, which knows nothing of it, a day further back as seen from the
// clock of the timers: as if somebody had set it.
TEST_CASE("TM-3: timers follow the clock that is injected, wherever the wall clock stands") {
  run_in_bubble_on_each([] {
    const auto wall_start = std::chrono::system_clock::now();
    const stopwatch watch;
    const ringo::timer long_running(4 * 24h);
    const auto [ctx, cancel] = ringo::with_timeout(ringo::background(), 5 * 24h);
    for (int day = 1; day <= 3; ++day) {
      ringo::sleep_for(24h);
      EXPECT_EQ(watch.passed(), day * 24h);
      EXPECT_EQ(watch.until(*ringo::after(0s).recv()), day * 24h);
    }
    EXPECT(!long_running.channel().try_recv());
    EXPECT_EQ(watch.until(*long_running.channel().recv()), 4 * 24h);
    EXPECT(!ctx.err());
    EXPECT(!ctx.done().recv());
    EXPECT_EQ(watch.passed(), 5 * 24h);
    EXPECT_EQ(watch.until(*ctx.deadline()), 5 * 24h);
    EXPECT(std::chrono::system_clock::now() - wall_start < 24h);
  });
}

TEST_CASE("TM-3: nobody sees the injected clock go back") {
  run_in_bubble_on_each([] {
    fiber_group fibers;
    for (int i = 0; i < 8; ++i) {
      fibers.go([i] {
        auto last = ringo::now();
        for (int round = 0; round < 200; ++round) {
          if (round % 4 == i % 4) ringo::sleep_for(std::chrono::nanoseconds(i + 1));
          if (round % 16 == i) ringo::yield();
          const auto now = ringo::now();
          EXPECT(now >= last);
          last = now;
        }
      });
    }
    fibers.join();
  });
}
