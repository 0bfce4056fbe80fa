// after(): channels that are fed by a timer, in virtual time.

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/select.hpp>
#include <ringo/task.hpp>
#include <ringo/time/after.hpp>
#include <ringo/time/now.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/timers.hpp"
#include "support/virtual_time.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::after;
using ringo::make_chan;
using std::chrono::nanoseconds;
using time_point = std::chrono::steady_clock::time_point;

namespace {

// clang-format off
//                                                          plain    asan    tsan
constexpr auto dropped_timers  = sizes::pick<std::size_t>(100'000, 20'000, 5'000);
constexpr auto many_timers     = sizes::pick<std::size_t>(2'000,   1'000,  300);
// clang-format on

}  // namespace

TEST_CASE("TM-4: after sends the time once, exactly when it is due") {
  run_in_bubble_on_each([] {
    for (const nanoseconds delay : {1ns, 1'000ns, 500'000ns, nanoseconds(100ms)}) {
      const stopwatch watch;
      const auto ch = after(delay);
      EXPECT_EQ(ch.cap(), std::size_t{0});
      EXPECT_EQ(watch.until(*ch.recv()), delay);
      EXPECT_EQ(watch.passed(), delay);
      ringo::sleep_for(1h);
      const auto again = ch.try_recv();
      EXPECT(!again);
      EXPECT(!again.closed());
    }
    EXPECT(!timers_pending());
  });
}

// After Go's TestAfterTick.
TEST_CASE("TM-4: ten in a row take ten times as long as one") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    for (int i = 0; i < 10; ++i) after(100ms).recv();
    EXPECT_EQ(watch.passed(), 1s);
  });
}

TEST_CASE("TM-4: delays that are not positive are over at once") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    for (const nanoseconds delay : {0ns, -1ns, nanoseconds::min()}) {
      EXPECT(*after(delay).recv() == watch.start());
    }
    EXPECT(*after(std::chrono::hours::min()).recv() == watch.start());
    EXPECT(*after(std::chrono::duration<double>(-0.5)).recv() == watch.start());
    EXPECT_EQ(watch.passed(), 0s);
  });
}

TEST_CASE("TM-2: the longest delays never fire and cost no timer") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    const auto forever = after(nanoseconds::max());
    const auto as_long = after(std::chrono::hours::max());
    EXPECT(!timers_pending());
    const std::size_t index =
        ringo::select(ringo::recv(forever), ringo::recv(as_long), ringo::recv(after(24h * 365)));
    EXPECT_EQ(index, std::size_t{2});
    EXPECT_EQ(watch.passed(), 24h * 365);
    EXPECT(!forever.try_recv());
  });
}

TEST_CASE("after: limits a select") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    auto silent = make_chan<int>();
    std::optional<int> value;
    EXPECT_EQ(ringo::select(ringo::recv(silent, value), ringo::recv(after(1ms))), std::size_t{1});
    EXPECT_EQ(ringo::select(ringo::send(silent, 1), ringo::recv(after(1ms))), std::size_t{1});
    EXPECT_EQ(watch.passed(), 2ms);
    ringo::go([=] {
      ringo::sleep_for(59min);
      silent.send(5);
    });
    EXPECT_EQ(ringo::select(ringo::recv(silent, value), ringo::recv(after(1h))), std::size_t{0});
    EXPECT_EQ(value, std::optional<int>(5));
    EXPECT_EQ(watch.passed(), 59min + 2ms);
    EXPECT(!timers_pending());
  });
}

TEST_CASE("TM-5: several fire in the order of their delays") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    const auto third = after(3ms);
    const auto first = after(1ms);
    const auto second = after(2ms);
    nanoseconds due{0};
    for (const auto& ch : {first, second, third}) {
      EXPECT(!ch.try_recv());
      EXPECT_EQ(watch.until(*ch.recv()), due += 1ms);
      EXPECT_EQ(watch.passed(), due);
    }
  });
}

TEST_CASE("TM-4: many wait at the same time, with random delays") {
  CAPTURE(seed());
  run_in_bubble_on_each([] {
    auto random = generator(2);
    std::atomic<std::size_t> fired{0};
    fiber_group fibers;
    for (std::size_t i = 0; i < many_timers; ++i) {
      fibers.go([&fired, delay = std::chrono::microseconds(random() % 5'000)] {
        const stopwatch watch;
        EXPECT_EQ(watch.until(*after(delay).recv()), delay);
        EXPECT_EQ(watch.passed(), delay);
        ++fired;
      });
    }
    fibers.join();
    EXPECT_EQ(fired.load(), many_timers);
    EXPECT(!timers_pending());
  });
}

// Go 1.23's promise: a timer that nobody can receive from any more is freed, fired or not.
TEST_CASE("TM-12: an unfired one whose handles are gone leaves no timer and no memory") {
  const auto check = [] {
    auto ready = make_chan<int>(1);
    const auto use_some = [&](std::size_t count) {
      for (std::size_t i = 0; i < count; ++i) {
        ready.send(1);
        EXPECT_EQ(ringo::select(ringo::recv(ready), ringo::recv(after(1h))), std::size_t{0});
      }
    };
    use_some(100);
    const std::size_t before = bytes_in_use();
    use_some(dropped_timers);
    const std::size_t afterwards = bytes_in_use();
    if (!RINGO_ASAN && !RINGO_TSAN) EXPECT(afterwards < before + 64 * 1024);
    EXPECT(!timers_pending());
  };
  run_on_each(check);  // workers' heaps
  run_in_bubble_on_each(check);
}

TEST_CASE("TM-12: one that fired into nobody is freed with its last handle") {
  run_in_bubble_on_each([] {
    for (int i = 0; i < 20; ++i) {
      const auto unread = after(10us);
      const auto copy = unread;
      ringo::sleep_for(20us);
      EXPECT(has_value(unread));
      EXPECT(has_value(copy));
      EXPECT_EQ(copy.len(), std::size_t{0});
    }
    EXPECT(!timers_pending());
  });
}
