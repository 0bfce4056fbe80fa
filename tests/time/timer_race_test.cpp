// What happens to a timer while it fires. In a bubble a timer fires only when no fiber runs, so
// that none could meet it; here the clock is the real one, and delays are of the size of what they
// are to meet. Nothing waits for time to pass.

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/select.hpp>
#include <ringo/time/after.hpp>
#include <ringo/time/ticker.hpp>
#include <ringo/time/timer.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/threads.hpp"
#include "support/timers.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::after;
using ringo::after_func;
using ringo::make_chan;
using ringo::ticker;
using ringo::timer;
using std::chrono::nanoseconds;
using time_point = std::chrono::steady_clock::time_point;

namespace {

// clang-format off
//                                                          plain      asan    tsan
constexpr auto stop_fibers    = sizes::pick<std::size_t>(      200,     50,     20);
constexpr auto stop_rounds    = sizes::pick<std::size_t>(       20,     10,      5);
constexpr auto race_rounds    = sizes::pick<std::size_t>(    5'000,  1'000,    300);
constexpr auto drop_rounds    = sizes::pick<std::size_t>(   20'000,  3'000,  1'000);
constexpr auto dropped_timers = sizes::pick<std::size_t>(   10'000,  2'000,    500);
constexpr auto live_timers    = sizes::pick<std::size_t>(100'000, 20'000, 10'000);
// clang-format on

}  // namespace

// Go's TestStopResult: false promises a value, true promises that there is none.
TEST_CASE("TM-9: under races the result of stop agrees with the channel") {
  run_on_each([] {
    fiber_group fibers;
    for (std::size_t i = 0; i < stop_fibers; ++i) {
      fibers.go([] {
        for (std::size_t round = 0; round < stop_rounds; ++round) {
          const timer a(300us);
          const timer b(300us);
          const std::size_t won = ringo::select(ringo::recv(a.channel()), ringo::recv(b.channel()));
          const timer& other = won == 0 ? b : a;
          const bool stopped = round % 2 == 0 ? other.stop() : other.reset(1h);
          // Nobody else receives: it was active in any case, and there is nothing left.
          EXPECT(stopped);
          EXPECT(!other.channel().try_recv());
        }
      });
    }
    fibers.join();
    EXPECT(!timers_pending());
  });
}

TEST_CASE("TM-9: each start ends in a value or in a stop that is true") {
  CAPTURE(seed());
  run_on_each([] {
    const timer t(1h);
    std::atomic<std::size_t> received{0};
    std::atomic<bool> over{false};
    fiber_group fibers;
    for (int i = 0; i < 2; ++i) {
      fibers.go([&] {
        while (!over) {
          if (t.channel().try_recv()) ++received;
          ringo::yield();
        }
      });
      fibers.go([&] {
        const timer end(1h);
        while (!over) {
          end.reset(100us);
          if (ringo::select(ringo::recv(t.channel()), ringo::recv(end.channel())) == 0) ++received;
        }
      });
    }
    auto random = generator(1);
    std::size_t stopped = 0;
    for (std::size_t i = 0; i < race_rounds; ++i) {
      if (t.reset(nanoseconds(random() % 5'000))) ++stopped;
      for (auto spins = random() % 200; spins > 0; --spins) (void)t.channel().cap();
      if (i % 3 == 0) ringo::yield();
    }
    if (t.stop()) ++stopped;
    eventually([&] { return received + stopped == race_rounds + 1; }, "the values");
    over = true;
    fibers.join();
    EXPECT_EQ(received + stopped, race_rounds + 1);
  });
}

// Each start ends in a run or in a stop that is true, never in both.
TEST_CASE("TM-13: stop and reset race with the start") {
  CAPTURE(seed());
  run_on_each([] {
    std::atomic<std::size_t> runs{0};
    std::size_t stopped = 0;
    auto random = generator(1);
    timer t = after_func(1h, [&] { ++runs; });
    for (std::size_t i = 0; i < race_rounds; ++i) {
      if (t.reset(nanoseconds(random() % 3'000))) ++stopped;
      for (auto spins = random() % 200; spins > 0; --spins) (void)t.channel();
      if (i % 3 == 0) ringo::yield();
    }
    if (t.stop()) ++stopped;
    eventually([&] { return runs + stopped == race_rounds + 1; }, "the functions");
    let_others_run();
    EXPECT_EQ(runs + stopped, race_rounds + 1);
    EXPECT(!timers_pending());
  });
}

// Each reset must leave no tick of the series before, wherever that was about to fire.
TEST_CASE("TM-17: stop and reset race with ticks, receivers and each other") {
  CAPTURE(seed());
  run_on_each([] {
    const ticker t(1us);
    std::atomic<bool> over{false};
    fiber_group fibers;
    for (std::size_t i = 0; i < 2; ++i) {
      fibers.go([&, random = generator(i)]() mutable {
        for (std::size_t n = 0; n < race_rounds; ++n) {
          if (random() % 4 == 0) {
            t.stop();
          } else {
            t.reset(nanoseconds(1 + random() % 20'000));
          }
          if (n % 64 == 0) ringo::yield();
        }
      });
      fibers.go([&] {
        while (!over) {
          (void)t.channel().try_recv();
          ringo::yield();
        }
      });
    }
    eventually([&] { return ringo::num_fibers() <= 3; }, "the resets");
    over = true;
    fibers.join();
    for (std::size_t n = 0; n < race_rounds / 10; ++n) {
      t.reset(nanoseconds(1 + n % 5'000));
      if (n % 3 == 0) ringo::yield();
      t.reset(1h);
      EXPECT(!t.channel().try_recv());
    }
    t.stop();
    EXPECT(!timers_pending());
  });
}

TEST_CASE("TM-19: many fibers and threads share one timer and one ticker") {
  CAPTURE(seed());
  run_on_each([] {
    const timer t(1us);
    const ticker ticks(20us);
    std::atomic<std::size_t> received{0};
    std::atomic<bool> over{false};
    const auto use = [&](std::uint64_t stream) {
      auto random = generator(stream);
      while (!over) {
        const bool reset = random() % 4 == 0;
        if (reset) t.reset(nanoseconds(random() % 10'000));
        ringo::select(ringo::recv(t.channel()), ringo::recv(ticks.channel()));
        ++received;
      }
    };
    fiber_group fibers;
    thread_group threads;
    for (std::uint64_t i = 0; i < 8; ++i) fibers.go([&, i] { use(i); });
    threads.start([&] { use(100); });
    eventually([&] { return received >= race_rounds / 2; }, "values");
    over = true;
    threads.join();
    fibers.join();
  });
}

TEST_CASE("TM-12: dropped from other fibers, workers and threads, all at once") {
  run_on_each([] {
    auto handles = make_chan<ringo::recv_chan<time_point>>(64);
    fiber_group fibers;
    thread_group threads;
    for (int i = 0; i < 3; ++i) {
      fibers.go([=] {
        for (auto& handle : handles) handle = {};
      });
    }
    threads.start([=] {
      for (auto& handle : handles) handle = {};
    });
    fiber_group makers;
    for (int i = 0; i < 3; ++i) {
      makers.go([=] {
        for (std::size_t n = 0; n < dropped_timers; ++n) {
          handles.send(after(std::chrono::milliseconds(n % 7 == 0 ? 1 : 3'600'000)));
        }
      });
    }
    makers.join();
    handles.close();
    fibers.join();
    threads.join();
    EXPECT(!timers_pending());
  });
}

// The drop takes the timer out of the heap while the heap may be about to fire it.
TEST_CASE("TM-12: dropping the last handle races with the timer") {
  CAPTURE(seed());
  for (const std::size_t workers : {std::size_t{2}, std::size_t{8}}) {
    run_on(workers, [] {
      auto dropped = make_chan<ringo::recv_chan<time_point>>(16);
      const auto dropper = watched_fiber::start([=] {
        auto random = generator(3);
        for (auto& handle : dropped) {
          for (auto spins = random() % 2'000; spins > 0; --spins) (void)handle.len();
          handle = {};
        }
      });
      auto random = generator(4);
      for (std::size_t i = 0; i < drop_rounds; ++i) {
        dropped.send(after(std::chrono::nanoseconds(random() % 30'000)));
      }
      dropped.close();
      dropper.wait();
      EXPECT(!timers_pending());
    });
  }
}

TEST_CASE("after: a select that is won at the same time as the timer fires keeps one of both") {
  CAPTURE(seed());
  run_on_each([] {
    auto ch = make_chan<int>();
    std::atomic<bool> over{false};
    const auto sender = watched_fiber::start([&] {
      auto random = generator(5);
      while (!over) {
        ringo::select(ringo::send(ch, 1),
                      ringo::recv(after(std::chrono::microseconds(random() % 40))));
      }
    });
    auto random = generator(6);
    std::size_t received = 0;
    std::size_t timed_out = 0;
    for (std::size_t i = 0; i < drop_rounds / 10; ++i) {
      std::optional<int> value;
      std::optional<time_point> time;
      const std::size_t index =
          ringo::select(ringo::recv(ch, value),
                        ringo::recv(after(std::chrono::microseconds(random() % 40)), time));
      EXPECT_EQ(value.has_value(), index == 0);
      EXPECT_EQ(time.has_value(), index == 1);
      ++(index == 0 ? received : timed_out);
    }
    EXPECT_EQ(received + timed_out, drop_rounds / 10);
    over = true;
    sender.wait();
  });
}

TEST_CASE("TM-19: very many timers are stopped from elsewhere") {
  CAPTURE(seed());
  run_on(8, [] {
    auto random = generator(1);
    std::vector<timer> timers;
    timers.reserve(live_timers);
    for (std::size_t i = 0; i < live_timers; ++i) {
      timers.emplace_back(1h + nanoseconds(random() % 1'000'000'000));
    }
    EXPECT(after(100us).recv().has_value());  // they are in nobody's way
    std::atomic<std::size_t> stopped{0};
    const auto stop_half = [&](std::size_t begin) {
      std::size_t count = 0;
      for (std::size_t i = begin; i < timers.size(); i += 2) count += timers[i].stop() ? 1 : 0;
      stopped += count;
    };
    thread_group threads;
    threads.start([&] { stop_half(0); });
    const auto fiber = watched_fiber::start([&] { stop_half(1); });
    fiber.wait();
    threads.join();
    EXPECT_EQ(stopped.load(), live_timers);
    EXPECT(!timers_pending());
  });
}
