// Timers in great number and in random use, in virtual time.

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include <ringo/runtime.hpp>
#include <ringo/select.hpp>
#include <ringo/time/after.hpp>
#include <ringo/time/now.hpp>
#include <ringo/time/ticker.hpp>
#include <ringo/time/timer.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/timers.hpp"
#include "support/virtual_time.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::after;
using ringo::timer;
using std::chrono::nanoseconds;
using time_point = std::chrono::steady_clock::time_point;

namespace {

// clang-format off
//                                                            plain      asan    tsan
constexpr auto stop_fibers    = sizes::pick<std::size_t>(     1'000,      100,     20);
constexpr auto stop_rounds    = sizes::pick<std::size_t>(       100,       20,     10);
constexpr auto random_timers  = sizes::pick<std::size_t>(       100,      100,     50);
constexpr auto crowd          = sizes::pick<std::size_t>(     5'000,    1'000,    300);
constexpr auto selects        = sizes::pick<std::size_t>( 1'000'000,   20'000,  5'000);
constexpr auto live_timers    = sizes::pick<std::size_t>( 1'000'000,   50'000, 10'000);
constexpr auto shared_ticks   = sizes::pick<std::size_t>(     5'000,    1'000,    300);
// clang-format on

}  // namespace

// Go's TestStopResult and TestResetResult. Both timers fire at one time, and only one is received
// from: the other is active still, and withdrawn.
TEST_CASE("TM-9: the result of stop and reset agrees with the channel") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    fiber_group fibers;
    for (std::size_t i = 0; i < stop_fibers; ++i) {
      fibers.go([] {
        for (std::size_t round = 0; round < stop_rounds; ++round) {
          const timer a(1ms);
          const timer b(1ms);
          const std::size_t won = ringo::select(ringo::recv(a.channel()), ringo::recv(b.channel()));
          const timer& received = won == 0 ? a : b;
          const timer& other = won == 0 ? b : a;
          EXPECT(has_value(other.channel()));
          EXPECT(round % 2 == 0 ? other.stop() : other.reset(1h));
          EXPECT(!other.channel().try_recv());
          EXPECT(!received.stop());
        }
      });
    }
    fibers.join();
    EXPECT_EQ(watch.passed(), stop_rounds * 1ms);
    EXPECT(!timers_pending());
  });
}

namespace {

/// What a timer should do, in the plainest way.
struct timer_model {
  std::optional<nanoseconds> due;  // none: not active

  bool withdraw() { return std::exchange(due, std::nullopt).has_value(); }
  bool restart(nanoseconds when) {
    const bool was_active = withdraw();
    due = when;
    return was_active;
  }
  std::optional<nanoseconds> receive(nanoseconds now) {
    if (!due || *due > now) return std::nullopt;
    return std::exchange(due, std::nullopt);
  }
};

}  // namespace

// After Go's TestAdjustTimers.
TEST_CASE("TM-10: in random changes a timer does what the model does") {
  CAPTURE(seed());
  run_in_bubble_on_each([] {
    fiber_group fibers;
    for (std::size_t i = 0; i < random_timers; ++i) {
      fibers.go([random = generator(i)]() mutable {
        const stopwatch watch;
        const timer t(1h);
        timer_model model{1h};
        for (int change = 0; change < 50; ++change) {
          const nanoseconds delay(random() % 500'000);
          switch (random() % 6) {
            case 0: EXPECT_EQ(t.stop(), model.withdraw()); break;
            case 1: EXPECT_EQ(t.reset(1h), model.restart(watch.passed() + 1h)); break;
            case 2:
              EXPECT_EQ(t.reset(nanoseconds::max()), model.restart(nanoseconds::max()));
              break;
            case 3: EXPECT_EQ(t.reset(delay), model.restart(watch.passed() + delay)); break;
            case 4: ringo::sleep_for(delay); break;
            default: {
              const auto expected = model.receive(watch.passed());
              const auto received = t.channel().try_recv();
              EXPECT_EQ(static_cast<bool>(received), expected.has_value());
              if (received && expected) EXPECT_EQ(watch.until(*received), *expected);
            }
          }
        }
        const nanoseconds delay(random() % 500'000);
        const stopwatch last;
        t.reset(delay);
        EXPECT_EQ(last.until(*t.channel().recv()), delay);
        EXPECT_EQ(last.passed(), delay);
      });
    }
    fibers.join();
    EXPECT(!timers_pending());
  });
}

// After Go's TestMultiWakeupTicker and TestMultiWakeupTimer.
TEST_CASE("TM-19: many fibers share one ticker: each tick is one fiber's") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    const ringo::ticker ticks(1us);
    std::vector<int> received(shared_ticks);
    fiber_group fibers;
    for (std::size_t i = 0; i < 8; ++i) {
      fibers.go([&] {
        const auto end = after(shared_ticks * 1us + 500ns);
        std::optional<time_point> tick;
        while (ringo::select(ringo::recv(ticks.channel(), tick), ringo::recv(end)) == 0) {
          ++received[static_cast<std::size_t>(watch.until(*tick) / 1us) - 1];
        }
      });
    }
    fibers.join();
    EXPECT(std::all_of(received.begin(), received.end(), [](int count) { return count == 1; }));
  });
}

TEST_CASE("TM-19: many fibers reset and receive from one timer") {
  CAPTURE(seed());
  run_in_bubble_on_each([] {
    const timer t(1us);
    std::atomic<std::size_t> received{0};
    fiber_group fibers;
    for (std::size_t i = 0; i < 8; ++i) {
      fibers.go([&, random = generator(i)]() mutable {
        for (std::size_t round = 0; round < shared_ticks / 4; ++round) {
          const nanoseconds delay(random() % 10'000);
          t.reset(delay);
          if (ringo::select(ringo::recv(t.channel()), ringo::recv(after(2 * delay))) == 0) {
            ++received;
          }
        }
      });
    }
    fibers.join();
    EXPECT(received > 0);
    t.stop();
    EXPECT(!timers_pending());
  });
}

// After Go's TestLongAdjustTimers.
TEST_CASE("TM-19: a crowd sleeps while a million timeouts come and go") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    std::atomic<std::size_t> woken{0};
    fiber_group fibers;
    for (std::size_t i = 0; i < crowd; ++i) {
      fibers.go([&, i] {
        ringo::sleep_for(10us);
        EXPECT_EQ(watch.passed(), 10us);
        if (i % 2 == 0) ringo::sleep_for(10s);
        ++woken;
      });
    }
    auto ready = ringo::make_chan<int>(1);
    const std::size_t timeouts = ringo::workers() == 2 ? selects : selects / 10;
    for (std::size_t i = 0; i < timeouts; ++i) {
      ready.send(1);
      EXPECT_EQ(ringo::select(ringo::recv(ready), ringo::recv(after(5s))), std::size_t{0});
      if (i % 1'000 == 0) ringo::sleep_for(1us);
    }
    EXPECT_EQ(watch.passed(), (timeouts + 999) / 1'000 * 1us);
    fibers.join();
    EXPECT_EQ(woken.load(), crowd);
    EXPECT_EQ(watch.passed(), 10s + 10us);
    EXPECT(!timers_pending());
  });
}

TEST_CASE("TM-19: a million timers live at a time, and each fires when it is due") {
  CAPTURE(seed());
  run_in_bubble_on(8, [] {
    const stopwatch watch;
    auto random = generator(1);
    const auto next_delay = [&] { return nanoseconds(random() % 5'000'000'000); };
    std::vector<timer> timers;
    timers.reserve(live_timers);
    for (std::size_t i = 0; i < live_timers; ++i) timers.emplace_back(next_delay());
    EXPECT_EQ(watch.until(*after(1ns).recv()), 1ns);  // they are in nobody's way
    ringo::sleep_until(watch.start() + 2s);
    random = generator(1);
    for (const timer& t : timers) {
      const nanoseconds delay = next_delay();
      const auto fired = t.channel().try_recv();
      EXPECT_EQ(static_cast<bool>(fired), delay <= 2s);
      if (fired) EXPECT_EQ(watch.until(*fired), delay);
    }
    ringo::sleep_until(watch.start() + 5s);
    std::size_t late = 0;
    for (const timer& t : timers) late += t.stop() ? 1 : 0;
    EXPECT(late > live_timers / 2);
    EXPECT(late < live_timers);
    EXPECT(!timers_pending());
  });
}
