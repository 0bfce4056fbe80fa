// Timers in great number, and under everybody's hands.

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include <ringo/select.hpp>
#include <ringo/time/after.hpp>
#include <ringo/time/now.hpp>
#include <ringo/time/ticker.hpp>
#include <ringo/time/timer.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/threads.hpp"
#include "support/timers.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::timer;
using std::chrono::nanoseconds;
using time_point = std::chrono::steady_clock::time_point;

namespace {

// clang-format off
//                                                         plain     asan    tsan
constexpr auto stop_fibers    = sizes::pick<std::size_t>(200,      50,     20);
constexpr auto stop_rounds    = sizes::pick<std::size_t>(20,       10,     5);
constexpr auto race_rounds    = sizes::pick<std::size_t>(5'000,    1'000,  300);
constexpr auto random_timers  = sizes::pick<std::size_t>(100,      50,     20);
constexpr auto crowd          = sizes::pick<std::size_t>(5'000,    1'000,  300);
constexpr auto live_timers    = sizes::pick<std::size_t>(1'000'000, 50'000, 10'000);
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

TEST_CASE("TM-10: no timer is lost in random changes") {
  CAPTURE(seed());
  run_on_each([] {
    fiber_group fibers;
    for (std::size_t i = 0; i < random_timers; ++i) {
      fibers.go([random = generator(i)]() mutable {
        const timer t(1h);
        for (int change = 0; change < 11; ++change) {
          switch (random() % 6) {
            case 0: t.stop(); break;
            case 1: t.reset(1h); break;
            case 2: t.reset(nanoseconds::max()); break;
            case 3: t.reset(nanoseconds(random() % 300'000)); break;
            case 4: ringo::yield(); break;
            default: (void)t.channel().try_recv(); break;
          }
        }
        const auto before = ringo::now();
        const nanoseconds delay(random() % 500'000);
        t.reset(delay);
        EXPECT(*t.channel().recv() >= before + delay);
      });
    }
    fibers.join();
    EXPECT(!timers_pending());
  });
}

TEST_CASE("TM-19: many fibers and threads share one timer and one ticker") {
  CAPTURE(seed());
  run_on_each([] {
    const timer t(1us);
    const ringo::ticker ticks(20us);
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

TEST_CASE("TM-19: a crowd sleeps while others wait for timers that never come") {
  run_on_each([] {
    const auto until = ringo::now() + 5ms;
    std::atomic<std::size_t> woken{0};
    auto done = ringo::make_chan<void>();
    fiber_group fibers;
    for (std::size_t i = 0; i < crowd; ++i) {
      fibers.go([&, i] {
        if (i % 2 == 0) {
          ringo::sleep_until(until);  // tidy: real time: the crowd must sleep together
        } else {
          EXPECT_EQ(ringo::select(ringo::recv(ringo::after(5s * 3600)), ringo::recv(done)),
                    std::size_t{1});
        }
        if (++woken == crowd / 2) done.close();
      });
    }
    fibers.join();
    EXPECT(!timers_pending());
  });
}

TEST_CASE("TM-19: very many timers live at a time, and are stopped from elsewhere") {
  CAPTURE(seed());
  run_on(8, [] {
    auto random = generator(1);
    std::vector<timer> timers;
    timers.reserve(live_timers);
    for (std::size_t i = 0; i < live_timers; ++i) {
      timers.emplace_back(1h + nanoseconds(random() % 1'000'000'000));
    }
    EXPECT(ringo::after(100us).recv().has_value());  // they are in nobody's way
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
