// Sleeping, in virtual time: each sleep is exactly as long as asked. That workers wake for it in
// real time is what real_time_test.cpp is about.

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/task.hpp>
#include <ringo/time/now.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/virtual_time.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;
using time_point = std::chrono::steady_clock::time_point;

namespace {

// clang-format off
//                                                       plain  asan   tsan
constexpr auto many_sleepers = sizes::pick<std::size_t>(5'000, 2'000, 500);
constexpr auto random_sleeps = sizes::pick<std::size_t>(200,   100,   50);
// clang-format on

}  // namespace

TEST_CASE("TM-1: a sleep is exactly as long as asked") {
  run_in_bubble_on_each([] {
    for (const nanoseconds asked :
         {1ns, 999ns, 1'000ns, 50'000ns, 1'000'001ns, nanoseconds(100ms), nanoseconds(24h * 366)}) {
      const stopwatch watch;
      ringo::sleep_for(asked);
      EXPECT_EQ(watch.passed(), asked);
      ringo::sleep_until(watch.start() + 2 * asked);
      EXPECT_EQ(watch.passed(), 2 * asked);
    }
  });
}

TEST_CASE("TM-1: a sleep of nothing returns at once, and is no yield") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    std::atomic<bool> ran{false};
    auto other = ringo::spawn([&] { ran = true; });
    for (int i = 0; i < 100; ++i) {
      ringo::sleep_for(0s);
      ringo::sleep_for(-1s);
    }
    if (ringo::workers() == 1) EXPECT(!ran);  // else another worker may have taken it
    EXPECT_EQ(watch.passed(), 0s);
    other.join();
  });
}

// After Go's TestSleepZeroDeadlock, with something else to do for everybody.
TEST_CASE("TM-1: a sleep of nothing returns under load") {
  run_in_bubble_on_each([] {
    std::atomic<bool> over{false};
    fiber_group load;
    for (int i = 0; i < 4; ++i) {
      load.go([&] {
        while (!over) ringo::yield();
      });
    }
    for (int i = 0; i < 100; ++i) {
      ringo::sleep_for(0s);
      ringo::yield();
    }
    over = true;
    load.join();
  });
}

TEST_CASE("TM-1: many random sleeps at a time are all exact") {
  CAPTURE(seed());
  run_in_bubble_on_each([] {
    fiber_group fibers;
    for (std::uint64_t fiber = 0; fiber < 20; ++fiber) {
      fibers.go([random = generator(fiber)]() mutable {
        const stopwatch watch;
        nanoseconds asked{0};
        for (std::size_t i = 0; i < random_sleeps; ++i) {
          const nanoseconds next(random() % 200'000);
          ringo::sleep_for(next);
          EXPECT_EQ(watch.passed(), asked += next);
        }
      });
    }
    fibers.join();
  });
}

TEST_CASE("TM-2: a sleep takes any duration, and returns at once when none is left") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    ringo::sleep_for(0s);
    ringo::sleep_for(-1s);
    ringo::sleep_for(std::chrono::hours::min());
    ringo::sleep_for(nanoseconds::min());
    ringo::sleep_for(std::chrono::duration<float>(-std::numeric_limits<float>::infinity()));
    ringo::sleep_until(ringo::now());
    ringo::sleep_until(ringo::now() - 1h);
    ringo::sleep_until(time_point());
    ringo::sleep_until(time_point::min());
    EXPECT_EQ(watch.passed(), 0s);
    ringo::sleep_for(std::chrono::duration<double, std::milli>(0.5));
    EXPECT_EQ(watch.passed(), 500us);
  });
}

// However many workers: the clock does not move on before the one that woke has slept again.
TEST_CASE("TM-5: those who sleep wake in the order of their deadlines") {
  CAPTURE(seed());
  run_in_bubble_on_each([] {
    auto random = generator(1);
    std::vector<int> order(200);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    const auto base = ringo::now() + 2ms;
    std::vector<int> woken;  // no lock: one wakes at a time
    fiber_group fibers;
    for (const int i : order) {
      fibers.go([&, i] {
        ringo::sleep_until(base + i * 20us);
        EXPECT(ringo::now() == base + i * 20us);
        woken.push_back(i);
      });
    }
    fibers.join();
    std::sort(order.begin(), order.end());
    EXPECT(woken == order);
  });
}

TEST_CASE("TM-19: a crowd of fibers sleeps at the same time") {
  run_in_bubble_on_each([] {
    const auto until = ringo::now() + 20ms;
    std::atomic<std::size_t> woken{0};
    fiber_group fibers;
    for (std::size_t i = 0; i < many_sleepers; ++i) {
      fibers.go([&, i] {
        const auto mine = until + std::chrono::microseconds(i % 100);
        ringo::sleep_until(mine);
        EXPECT(ringo::now() == mine);
        ++woken;
      });
    }
    fibers.join();
    EXPECT_EQ(woken.load(), many_sleepers);
    EXPECT(ringo::now() == until + 99us);
  });
}

TEST_CASE("sleep: blocks only the fiber that sleeps") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    auto ball = ringo::make_chan<int>();
    auto player = ringo::spawn([=] {
      for (int i = 0; i < 500; ++i) {
        ball.send(i);
        EXPECT_EQ(*ball.recv(), i + 1);
      }
      EXPECT_EQ(watch.passed(), 0s);
    });
    ringo::go([=] {
      for (int i = 0; i < 500; ++i) ball.send(*ball.recv() + 1);
    });
    ringo::sleep_for(1h);
    player.join();
    EXPECT_EQ(watch.passed(), 1h);
  });
}

TEST_CASE("sleep: a lock may be held meanwhile") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    ringo::mutex m;
    auto holder = ringo::spawn([&] {
      m.lock();
      ringo::sleep_for(1s);
      m.unlock();
    });
    for (int i = 1; i <= 4; ++i) {
      ringo::sleep_for(200ms);
      EXPECT(!m.try_lock());
    }
    holder.join();
    EXPECT(m.try_lock());
    m.unlock();
    EXPECT_EQ(watch.passed(), 1s);
  });
}

TEST_CASE("sleep: nobody but sleepers is no deadlock") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    auto ch = ringo::make_chan<int>();
    ringo::go([=] {
      ringo::sleep_for(2ms);
      ch.send(1);
    });
    EXPECT_EQ(ch.recv(), std::optional<int>(1));
    EXPECT_EQ(watch.passed(), 2ms);
  });
}
