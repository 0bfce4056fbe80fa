// ticker and tick: periodic timers, in virtual time.

#include <ringo/time/ticker.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include <ringo/select.hpp>
#include <ringo/time/after.hpp>
#include <ringo/time/now.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/timers.hpp"
#include "support/virtual_time.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::ticker;
using std::chrono::nanoseconds;

namespace {

// clang-format off
//                                                       plain    asan   tsan
constexpr auto random_ticks = sizes::pick<std::size_t>(1'000,     500,    100);
constexpr auto many_ticks   = sizes::pick<std::size_t>(10'000,  2'000,    500);
// clang-format on

}  // namespace

TEST_CASE("TM-15: tick k is due k periods after the start") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    const ticker t(10us);
    for (std::size_t i = 1; i <= many_ticks; ++i) {
      EXPECT_EQ(watch.until(*t.channel().recv()), i * 10us);
      EXPECT_EQ(watch.passed(), i * 10us);
    }
    t.stop();
    EXPECT(!timers_pending());
  });
}

TEST_CASE("TM-15: of the ticks that a receiver misses one is kept, the oldest; the phase stays") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    const ticker t(10ms);
    const auto ch = t.channel();
    ringo::sleep_for(55ms);
    EXPECT_EQ(watch.until(*ch.recv()), 10ms);
    EXPECT_EQ(watch.passed(), 55ms);  // it was there
    EXPECT(!ch.try_recv());           // and no other
    EXPECT_EQ(watch.until(*ch.recv()), 60ms);
    EXPECT_EQ(watch.passed(), 60ms);
    EXPECT_EQ(watch.until(*ch.recv()), 70ms);
    ringo::sleep_for(30ms);  // to the very moment of the third one
    EXPECT_EQ(watch.until(*ch.recv()), 80ms);
    EXPECT_EQ(watch.until(*ch.recv()), 110ms);
    EXPECT_EQ(watch.passed(), 110ms);
  });
}

TEST_CASE("TM-15: a receiver that is late at random gets the ticks that the rule names") {
  CAPTURE(seed());
  run_in_bubble_on_each([] {
    auto random = generator(15);
    for (const nanoseconds period : {1ns, 7ns, 1'000ns, nanoseconds(10ms)}) {
      const stopwatch watch;
      const ticker t(period);
      nanoseconds free_since{0};  // since when the channel has had room
      for (std::size_t i = 0; i < random_ticks; ++i) {
        ringo::sleep_for(period * (random() % 35) / 10);
        const nanoseconds due = (free_since / period + 1) * period;
        const nanoseconds received = std::max(due, watch.passed());
        EXPECT_EQ(watch.until(*t.channel().recv()), due);
        EXPECT_EQ(watch.passed(), received);
        free_since = received;
      }
    }
  });
}

// After Go's TestTickTimes.
TEST_CASE("TM-11: the value of a tick is the time at which it was due") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    const auto ch = ringo::tick(10ms);
    ringo::sleep_for(500ms);
    EXPECT_EQ(watch.until(*ch.recv()), 10ms);
  });
}

TEST_CASE("TM-16: periods that are not positive panic, and make tick nil") {
  const auto check = [] {
    for (const nanoseconds period : {nanoseconds(0), nanoseconds(-1), nanoseconds::min()}) {
      EXPECT_EQ(panic_text([&] { const ticker t(period); }), "non-positive interval for NewTicker");
      const ticker t(1h);
      EXPECT_EQ(panic_text([&] { t.reset(period); }), "non-positive interval for Ticker.Reset");
      EXPECT(!ringo::tick(period));
    }
    EXPECT_EQ(panic_text([] { const ticker t(std::chrono::hours::min()); }),
              "non-positive interval for NewTicker");
  };
  run_on_each([&] {
    check();
    EXPECT(!timers_pending());
  });
  check();  // without a runtime
  failure_log::instance().report();
}

// After Go's TestTicker and TestTeardown.
TEST_CASE("TM-17: reset changes the period; a stopped ticker does not tick") {
  run_in_bubble_on_each([] {
    for (int round = 0; round < 3; ++round) {
      constexpr auto d = 20ms;
      const stopwatch watch;
      const ticker t(d);
      for (int i = 0; i < 5; ++i) t.channel().recv();
      EXPECT_EQ(watch.passed(), 5 * d);
      t.reset(2 * d);
      for (int i = 0; i < 5; ++i) t.channel().recv();
      EXPECT_EQ(watch.passed(), 15 * d);
      t.stop();
      EXPECT(!timers_pending());
      ringo::sleep_for(2 * d);
      const auto nothing = t.channel().try_recv();
      EXPECT(!nothing);
      EXPECT(!nothing.closed());
      t.stop();
    }
  });
}

TEST_CASE("TM-17: stop and reset withdraw a tick that nobody has received") {
  run_in_bubble_on_each([] {
    const ticker t(200us);
    const auto ch = t.channel();
    ringo::sleep_for(200us);
    EXPECT(has_value(ch));
    t.stop();
    EXPECT(!has_value(ch));
    t.reset(100us);  // a stopped one too
    ringo::sleep_for(150us);
    EXPECT(has_value(ch));
    const stopwatch watch;
    t.reset(700us);
    EXPECT(!has_value(ch));
    EXPECT_EQ(watch.until(*ch.recv()), 700us);  // a new phase
    EXPECT_EQ(watch.until(*ch.recv()), 1'400us);
    t.reset(1h);
    EXPECT(!has_value(ch));
  });
}

TEST_CASE("TM-18: stop does nothing to a ticker without a channel") {
  run_on_each([] {
    const ticker none;
    none.stop();
    EXPECT(!none.channel());
    EXPECT_EQ(panic_text([&] { none.reset(1ms); }), "Reset called on uninitialized Ticker");
    ticker t(1h);
    const ticker moved = std::move(t);
    t.stop();  // NOLINT(bugprone-use-after-move): that is the test
    EXPECT(timers_pending());
    moved.stop();
    EXPECT(!timers_pending());
  });
}

TEST_CASE("TM-20: a panic leaves no lock held") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    const ticker t(1ms);
    EXPECT_EQ(panic_text([&] { t.reset(0s); }), "non-positive interval for Ticker.Reset");
    EXPECT_EQ(watch.until(*t.channel().recv()), 1ms);  // it was left as it was
    t.stop();
    EXPECT(!timers_pending());
  });
}

TEST_CASE("ticker: its channel shows no buffer") {
  run_in_bubble_on_each([] {
    const ticker t(100us);
    const auto ch = t.channel();
    EXPECT_EQ(ch.cap(), std::size_t{0});
    ringo::sleep_for(1ms);
    EXPECT(has_value(ch));
    EXPECT_EQ(ch.len(), std::size_t{0});
    EXPECT(ch == t.channel());
  });
}

TEST_CASE("TM-2: the longest periods never tick, and disturb nobody") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    const ticker longest(nanoseconds::max());
    const ticker years(std::chrono::hours::max());
    EXPECT(!timers_pending());
    EXPECT_EQ(ringo::select(ringo::recv(longest.channel()),
                            ringo::recv(years.channel()),
                            ringo::recv(ringo::after(24h * 365))),
              std::size_t{2});
    EXPECT_EQ(watch.passed(), 24h * 365);
    longest.reset(100us);
    EXPECT_EQ(watch.until(*longest.channel().recv()), 24h * 365 + 100us);
  });
}

// After Go's TestOverflowPeriodRuntimeTimer.
TEST_CASE("TM-2: a series whose next tick would lie beyond the end of time ends") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    const auto left = std::chrono::steady_clock::time_point::max() - ringo::now();
    const ticker t(left / 2 + 1h);
    ringo::sleep_for(left / 2 + 2h);
    EXPECT_EQ(watch.until(*t.channel().recv()), left / 2 + 1h);
    EXPECT(!timers_pending());
    EXPECT(ringo::after(1h).recv().has_value());
    EXPECT(!t.channel().try_recv());
  });
}

TEST_CASE("TM-12: a ticker whose handle is gone feeds the channel until that is gone") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    auto ch = ticker(200us).channel();
    for (int i = 1; i <= 3; ++i) EXPECT_EQ(watch.until(*ch.recv()), i * 200us);
    EXPECT(timers_pending());
    ch = {};
    EXPECT(!timers_pending());
    const stopwatch again;
    auto ticks = ringo::tick(200us);
    for (int i = 1; i <= 3; ++i) EXPECT_EQ(again.until(*ticks.recv()), i * 200us);
    ticks = {};
    EXPECT(!timers_pending());
  });
}
