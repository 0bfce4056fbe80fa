// Sleeping: the one thing that takes real time. Short sleeps only; what is checked is never how
// long one took, but that it was not too short, and what happened meanwhile.

#include <doctest/doctest.h>

#include <signal.h>
#include <sys/time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <random>
#include <vector>

#include <ringo/blocking.hpp>
#include <ringo/chan.hpp>
#include <ringo/detail/inspect.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/threads.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

namespace {

// clang-format off
//                                                       plain  asan   tsan
constexpr auto many_sleepers = sizes::pick<std::size_t>(5'000, 2'000, 500);
constexpr auto random_sleeps = sizes::pick<std::size_t>(200,   100,   50);
// clang-format on

constexpr const char* parked_in_sleep = "sleep";

void expect_not_early(std::chrono::nanoseconds asked) {
  const auto begin = clock_type::now();
  ringo::sleep_for(asked);
  EXPECT(clock_type::now() - begin >= asked);
}

}  // namespace

TEST_CASE("sleep: is never shorter than asked") {
  const auto check = [] {
    for (const std::chrono::nanoseconds asked :
         {1ns, 999ns, 1'000ns, 50'000ns, 1'000'001ns, 3'000'000ns}) {
      expect_not_early(asked);
    }
  };
  check();
  run_on_each([&] {
    check();
    thread_group thread;
    thread.start(check);
    ringo::blocking(check);
    thread.join();
  });
}

namespace {

/// Interrupts system calls all over the process: SIGALRM every 200 us, without SA_RESTART.
class interruptions {
 public:
  interruptions() {
    struct sigaction wanted {};
    wanted.sa_handler = [](int) { ++count_; };
    ::sigaction(SIGALRM, &wanted, &before_);
    const itimerval interval{{0, 200}, {0, 200}};
    ::setitimer(ITIMER_REAL, &interval, nullptr);
  }
  interruptions(const interruptions&) = delete;
  interruptions& operator=(const interruptions&) = delete;
  ~interruptions() {
    const itimerval off{};
    ::setitimer(ITIMER_REAL, &off, nullptr);
    ::sigaction(SIGALRM, &before_, nullptr);
  }
  static int count() { return count_; }

 private:
  struct sigaction before_ {};
  static inline std::atomic<int> count_{0};
};

}  // namespace

TEST_CASE("TM-1: signals do not shorten a sleep") {
  const interruptions storm;
  run_on_each([] {
    const int before = interruptions::count();
    expect_not_early(3ms);
    thread_group thread;
    thread.start([] { expect_not_early(3ms); });
    thread.join();
    EXPECT(interruptions::count() > before);
  });
}

TEST_CASE("TM-1: a sleep of nothing returns at once, and is no yield") {
  run_on_each([] {
    std::atomic<bool> ran{false};
    ringo::go([&] { ran = true; });
    for (int i = 0; i < 100; ++i) {
      ringo::sleep_for(0s);
      ringo::sleep_for(-1s);
    }
    if (ringo::workers() == 1) EXPECT(!ran);  // else another worker may have taken it
    eventually([&] { return ran.load(); });
  });
}

TEST_CASE("sleep: many random ones at a time are all long enough") {
  CAPTURE(seed());
  run_on_each([] {
    fiber_group fibers;
    for (std::uint64_t fiber = 0; fiber < 20; ++fiber) {
      fibers.go([random = generator(fiber)]() mutable {
        for (std::size_t i = 0; i < random_sleeps; ++i) {
          expect_not_early(std::chrono::nanoseconds(random() % 200'000));
        }
      });
    }
    fibers.join();
  });
}

TEST_CASE("sleep: takes any duration, and returns at once when none is left") {
  const auto check = [] {
    ringo::sleep_for(0s);
    ringo::sleep_for(-1s);
    ringo::sleep_for(std::chrono::hours::min());
    ringo::sleep_for(std::chrono::nanoseconds::min());
    ringo::sleep_for(std::chrono::duration<double, std::milli>(0.5));
    ringo::sleep_for(std::chrono::duration<float>(-std::numeric_limits<float>::infinity()));
    ringo::sleep_until(clock_type::now() - 1h);
    ringo::sleep_until(clock_type::time_point());
    ringo::sleep_until(clock_type::time_point::min());
  };
  check();
  run_on_each(check);
}

TEST_CASE("sleep: until a point of time is never early") {
  const auto check = [] {
    const auto until = clock_type::now() + 2ms;
    ringo::sleep_until(until);
    EXPECT(clock_type::now() >= until);
  };
  check();
  run_on_each(check);
}

namespace {

/// Fibers that fall asleep in random order; in which order do they wake? Empty: not all were asleep
/// when the first one was due, `lead` after the beginning.
std::vector<int> order_of_waking(std::chrono::milliseconds lead, std::mt19937_64& random) {
  std::vector<int> order(200);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), random);
  const auto base = clock_type::now() + lead;
  std::atomic<std::size_t> next{0};
  std::vector<int> woken(order.size());
  fiber_group fibers;
  for (const int i : order) {
    fibers.go([&, i] {
      ringo::sleep_until(base + i * 20us);
      woken[next++] = i;
    });
  }
  while (ringo::detail::parked_count() < order.size() && next == 0) ringo::yield();
  const bool in_time = next == 0 && clock_type::now() < base;
  fibers.join();
  return in_time ? woken : std::vector<int>();
}

}  // namespace

// On one worker the order is exact.
TEST_CASE("sleep: those who sleep wake in the order of their deadlines") {
  CAPTURE(seed());
  run_on(1, [] {
    auto random = generator(1);
    std::vector<int> woken;
    for (auto lead = 2ms; woken.empty(); lead *= 2) woken = order_of_waking(lead, random);
    EXPECT(std::is_sorted(woken.begin(), woken.end()));
  });
}

TEST_CASE("sleep: a crowd of fibers sleeps at the same time") {
  run_on_each([] {
    const auto until = clock_type::now() + 20ms;
    std::atomic<std::size_t> woken{0};
    fiber_group fibers;
    for (std::size_t i = 0; i < many_sleepers; ++i) {
      fibers.go([&, i] {
        ringo::sleep_until(until + std::chrono::microseconds(i % 100));
        EXPECT(clock_type::now() >= until);
        ++woken;
      });
    }
    fibers.join();
    EXPECT_EQ(woken.load(), many_sleepers);
  });
}

TEST_CASE("sleep: blocks only the fiber that sleeps") {
  run_on_each([] {
    std::atomic<bool> over{false};
    std::atomic<std::size_t> turns{0};
    const auto busy = watched_fiber::start([&] {
      for (; !over; ++turns) ringo::yield();
    });
    eventually([&] { return turns > 0; });
    const std::size_t before = turns;
    while (turns == before) ringo::sleep_for(2ms);  // once, unless the CPUs are taken
    over = true;
    busy.wait();
  });
}

TEST_CASE("sleep: ends although all others yield without pause") {
  run_on_each([] {
    std::atomic<bool> over{false};
    fiber_group busy;
    for (int i = 0; i < 20; ++i) {
      busy.go([&] {
        while (!over) ringo::yield();
      });
    }
    for (int i = 0; i < 3; ++i) ringo::sleep_for(1ms);
    over = true;
    busy.join();
  });
}

// The sleeper's timer belongs to the worker it went to sleep on, which is then kept by a fiber that
// reaches no scheduling point.
TEST_CASE("sleep: ends although the worker it began on computes without pause") {
  for (const std::size_t workers : {std::size_t{2}, std::size_t{8}}) {
    run_on(workers, [] {
      std::atomic<bool> computing{false};
      std::atomic<bool> woken{false};
      const auto sleeper = go_until_parked(parked_in_sleep, [&] {
        while (!computing) ringo::sleep_for(5ms);
        woken = true;
      });
      computing = true;
      while (!woken) {
      }
      sleeper.wait();
    });
  }
}

TEST_CASE("sleep: a lock may be held meanwhile") {
  run_on_each([] {
    ringo::mutex m;
    int counter = 0;
    fiber_group fibers;
    for (int i = 0; i < 5; ++i) {
      fibers.go([&] {
        m.lock();
        const int before = counter;
        ringo::sleep_for(200us);
        counter = before + 1;
        m.unlock();
      });
    }
    fibers.join();
    EXPECT_EQ(counter, 5);
  });
}

TEST_CASE("sleep: fibers that sleep for ever are left over, and wake in no later run") {
  for_each_worker_count([](std::size_t workers) {
    static std::atomic<int> runs;
    static std::atomic<int> woken;  // in another run than the one they went to sleep in
    woken = 0;
    for (int run = 0; run < 3; ++run) {
      runs = run;
      run_on(
          workers,
          [run] {
            for (const std::chrono::nanoseconds how_long : {std::chrono::nanoseconds::max(),
                                                            std::chrono::nanoseconds(1h),
                                                            std::chrono::nanoseconds(200ms),
                                                            std::chrono::nanoseconds(50ms)}) {
              go_until_parked(parked_in_sleep, [how_long, run] {
                ringo::sleep_for(how_long);
                if (runs != run) ++woken;
              });
            }
            ringo::go([] {
              ringo::sleep_for(std::chrono::hours::max());
              ++woken;
            });
          },
          leftovers::allowed);
    }
    runs = 3;
    run_on(workers, [] { ringo::sleep_for(60ms); });
    CHECK(woken == 0);
  });
}

TEST_CASE("sleep: nobody but sleepers is no deadlock") {
  run_on_each([] {
    auto ch = ringo::make_chan<int>();
    ringo::go([=] {
      ringo::sleep_for(2ms);
      ch.send(1);
    });
    EXPECT_EQ(ch.recv(), std::optional<int>(1));
  });
}
