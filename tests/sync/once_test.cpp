// once. Its recursion is in sync_death_test.cpp, the end of its life in
// tests/stress/destruction_test.cpp.

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/sync/once.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"

using namespace ringo::test;

static_assert(!std::is_copy_constructible_v<ringo::once>);
static_assert(!std::is_copy_assignable_v<ringo::once>);

namespace {

// clang-format off
//                                             plain  asan   tsan
constexpr auto race_rounds  = sizes::pick<int>(2'000, 500,   300);
constexpr auto many_callers = sizes::pick<int>(2'000, 1'000, 300);
// clang-format on

constexpr const char* parked_in_once = "sync.Once";

constinit ringo::once static_once;

}  // namespace

TEST_CASE("SY-20: the function runs exactly once, by whatever caller") {
  run_on_each([] {
    for (int round = 0; round < race_rounds / 10; ++round) {
      ringo::once once;
      int runs = 0;
      fiber_group fibers;
      for (int i = 0; i < 10; ++i) {
        fibers.go([&] {
          once.call([&] { ++runs; });
          EXPECT_EQ(runs, 1);
        });
      }
      fibers.join();
      EXPECT_EQ(runs, 1);
    }
  });
}

TEST_CASE("SY-20: another function does not run either") {
  run_on_each([] {
    ringo::once once;
    std::string ran;
    once.call([&] { ran += "first"; });
    once.call([&] { ran += "second"; });
    const std::function<void()> third = [&] { ran += "third"; };
    once.call(third);
    EXPECT_EQ(ran, std::string("first"));
  });
}

// The runner waits in the middle until every other caller is parked.
TEST_CASE("SY-20: every call returns only after the run has finished") {
  run_on_each([] {
    ringo::once once;
    auto go_on = ringo::make_chan<void>();
    int value = 0;
    const auto runner = go_until_parked(parked_in_recv, [&] {
      once.call([&] {
        go_on.recv();
        value = 1;
      });
      EXPECT_EQ(value, 1);
    });
    std::vector<watched_fiber> callers;
    for (int i = 0; i < 10; ++i) {
      callers.push_back(go_until_parked(parked_in_once, [&] {
        once.call([&] { value = 2; });
        EXPECT_EQ(value, 1);
      }));
    }
    thread_group threads;
    for (int i = 0; i < 3; ++i) {
      threads.start([&] {
        once.call([&] { value = 3; });
        EXPECT_EQ(value, 1);
      });
    }
    threads.wait_until_asleep();
    for (const auto& caller : callers) EXPECT(!caller.finished());
    go_on.send();
    runner.wait();
    for (const auto& caller : callers) caller.wait();
    threads.join();
    EXPECT_EQ(value, 1);
  });
}

TEST_CASE("SY-20: a crowd of callers is released by one run") {
  run_on_each([] {
    ringo::once once;
    auto go_on = ringo::make_chan<void>();
    int value = 0;
    const auto runner = go_until_parked(parked_in_recv, [&] {
      once.call([&] {
        go_on.recv();
        value = 1;
      });
    });
    std::atomic<int> seen{0};
    fiber_group callers;
    for (int i = 0; i < many_callers; ++i) {
      callers.go([&] {
        once.call([] {});
        seen += value;
      });
    }
    wait_until_parked(static_cast<std::size_t>(many_callers) + 1);
    go_on.send();
    callers.join();
    runner.wait();
    EXPECT_EQ(seen.load(), many_callers);
  });
}

TEST_CASE("SY-20: plain threads and fibers call the same once") {
  run_on_each([] {
    for (int round = 0; round < race_rounds / 100; ++round) {
      ringo::once once;
      int runs = 0;
      thread_group threads;
      fiber_group fibers;
      for (int i = 0; i < 3; ++i) {
        const auto call = [&] {
          once.call([&] { ++runs; });
          EXPECT_EQ(runs, 1);
        };
        threads.start(call);
        fibers.go(call);
      }
      fibers.join();
      threads.join();
      EXPECT_EQ(runs, 1);
    }
  });
}

TEST_CASE("SY-20: a static once works before, in and after a run") {
  static int runs = 0;
  static_once.call([] { ++runs; });
  run_on_each([] { static_once.call([] { ++runs; }); });
  static_once.call([] { ++runs; });
  CHECK(runs == 1);
}

// The opposite of std::call_once, which would retry.
TEST_CASE("SY-21: an exception counts as done and reaches only the caller that ran") {
  const auto check = [] {
    ringo::once once;
    int runs = 0;
    std::string caught;
    try {
      once.call([&] {
        ++runs;
        throw std::runtime_error("first");
      });
    } catch (const std::runtime_error& error) {
      caught = error.what();
    }
    EXPECT_EQ(caught, std::string("first"));
    once.call([&] { ++runs; });
    EXPECT_EQ(runs, 1);
  };
  check();
  run_on_each(check);
}

TEST_CASE("SY-21: those who wait for a run that throws return without an exception") {
  run_on_each([] {
    ringo::once once;
    auto go_on = ringo::make_chan<void>();
    const auto runner = go_until_parked(parked_in_recv, [&] {
      once.call([&] {
        go_on.recv();
        throw ringo::panic_error("thrown by the runner");
      });
    });
    std::vector<watched_fiber> callers;
    for (int i = 0; i < 5; ++i) {
      callers.push_back(go_until_parked(parked_in_once, [&] { once.call([] {}); }));
    }
    go_on.send();
    EXPECT_EQ(runner.wait(), std::string("thrown by the runner"));
    for (const auto& caller : callers) EXPECT_EQ(caller.wait(), std::string());
  });
}

TEST_CASE("SY-21: goexit counts as done and ends only the fiber that ran") {
  run_on_each([] {
    ringo::once once;
    auto go_on = ringo::make_chan<void>();
    std::atomic<bool> returned{false};
    auto runner = ringo::spawn([&] {
      once.call([&] {
        go_on.recv();
        ringo::goexit();
      });
      returned = true;
    });
    ringo::test::wait_until_parked(1);
    const auto caller = go_until_parked(parked_in_once, [&] { once.call([] {}); });
    go_on.send();
    EXPECT_EQ(panic_text([&] { runner.join(); }),
              std::string("join of a fiber that called goexit"));
    EXPECT_EQ(caller.wait(), std::string());
    EXPECT(!returned);
    bool ran = false;
    once.call([&] { ran = true; });
    EXPECT(!ran);
  });
}

TEST_CASE("once: functions that can only be moved, and results that are dropped") {
  run_on_each([] {
    ringo::once once;
    int value = 0;
    once.call([owned = std::make_unique<int>(7), &value] { return value = *owned; });
    EXPECT_EQ(value, 7);
  });
}

TEST_CASE("once: one inside another is fine") {
  run_on_each([] {
    ringo::once outer;
    ringo::once inner;
    int value = 0;
    outer.call([&] { inner.call([&] { value = 1; }); });
    inner.call([&] { value = 2; });
    EXPECT_EQ(value, 1);
  });
}

TEST_CASE("once: callers left over at the end of run are in no queue afterwards") {
  for_each_worker_count([](std::size_t workers) {
    ringo::once once;
    bool ran = false;
    std::atomic<bool> inside{false};
    std::atomic<bool> over{false};
    thread_group runner;
    runner.start([&] {
      once.call([&] {
        inside = true;
        while (!over) std::this_thread::yield();
        ran = true;
      });
    });
    run_on(
        workers,
        [&] {
          eventually([&] { return inside.load(); });
          for (int i = 0; i < 3; ++i) go_until_parked(parked_in_once, [&] { once.call([] {}); });
        },
        leftovers::allowed);
    over = true;
    once.call([] {});
    CHECK(ran);
    run_on(workers, [&] { once.call([] {}); });
  });
}
