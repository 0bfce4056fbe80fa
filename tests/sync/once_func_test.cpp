// once_func and once_value.

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/sync/once_func.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"

using namespace ringo::test;

namespace {

// clang-format off
//                                            plain  asan   tsan
constexpr auto race_rounds = sizes::pick<int>(300,   100,   50);
// clang-format on

constexpr const char* parked_in_once = "sync.Once";

/// What the call throws, as text.
template <class F>
std::string thrown_by(const F& call) {
  try {
    call();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

const auto static_value = ringo::once_value([] { return std::string("static"); });

}  // namespace

static_assert(std::is_same_v<decltype(ringo::once_value([] { return 1; })()), const int&>);
static_assert(std::is_same_v<decltype(ringo::once_value([] {})()), void>);
static_assert(std::is_same_v<decltype(ringo::once_func([] { return 1; })()), void>);

TEST_CASE("SY-22: the function runs once, and copies share the run") {
  const auto check = [] {
    int calls = 0;
    const auto first = ringo::once_func([&] { ++calls; });
    const auto second = first;
    EXPECT_EQ(calls, 0);
    first();
    second();
    first();
    EXPECT_EQ(calls, 1);

    int runs = 0;
    const auto value = ringo::once_value([&] { return "value " + std::to_string(++runs); });
    auto copy = value;
    EXPECT_EQ(copy(), std::string("value 1"));
    EXPECT_EQ(value(), std::string("value 1"));
    EXPECT(&value() == &copy());
    const std::string& kept = copy();
    { const auto gone = value; }
    EXPECT_EQ(kept, std::string("value 1"));

    int voids = 0;
    const auto none = ringo::once_value([&] { ++voids; });
    none();
    none();
    EXPECT_EQ(voids, 1);
    EXPECT_EQ(static_value(), std::string("static"));
  };
  check();
  run_on_each(check);
}

TEST_CASE("SY-22: values that can be neither copied nor moved, and functions that only move") {
  struct fixed {
    int number;
    explicit fixed(int n) : number(n) {}
    fixed(const fixed&) = delete;
    fixed& operator=(const fixed&) = delete;
    ~fixed() = default;
  };
  run_on_each([] {
    const auto value = ringo::once_value(
        [source = std::make_unique<int>(7)] { return std::make_unique<int>(*source + 1); });
    EXPECT_EQ(*value(), 8);
    EXPECT_EQ(*value(), 8);
    const auto pinned = ringo::once_value([] { return std::make_unique<fixed>(9); });
    EXPECT_EQ(pinned()->number, 9);
    const auto action = ringo::once_func([owned = std::make_unique<int>(0)] { ++*owned; });
    action();
    action();
  });
}

TEST_CASE("SY-22: all callers wait for the one run and see what it did") {
  run_on_each([] {
    for (int round = 0; round < race_rounds; ++round) {
      int calls = 0;
      const auto value = ringo::once_value([&] {
        ringo::yield();
        ++calls;
        return std::vector<int>{1, 2, 3};
      });
      fiber_group fibers;
      for (int i = 0; i < 8; ++i) {
        fibers.go([&calls, copy = value] {
          EXPECT_EQ(copy().size(), std::size_t{3});
          EXPECT_EQ(calls, 1);
        });
      }
      fibers.join();
    }
  });
}

TEST_CASE("SY-22: plain threads and fibers share a run") {
  run_on_each([] {
    std::atomic<int> calls{0};
    auto go_on = ringo::make_chan<void>();
    const auto value = ringo::once_value([&] {
      go_on.recv();
      return ++calls;
    });
    const auto fiber = go_until_parked(parked_in_recv, [&] { EXPECT_EQ(value(), 1); });
    thread_group threads;
    for (int i = 0; i < 2; ++i) threads.start([&] { EXPECT_EQ(value(), 1); });
    threads.wait_until_asleep();
    const auto other = go_until_parked(parked_in_once, [&] { EXPECT_EQ(value(), 1); });
    go_on.send();
    fiber.wait();
    other.wait();
    threads.join();
    EXPECT_EQ(calls.load(), 1);
  });
}

TEST_CASE("SY-22: what the function threw is thrown again to every caller") {
  run_on_each([] {
    int calls = 0;
    const auto action = ringo::once_func([&] {
      ++calls;
      throw std::runtime_error("bad action");
    });
    const auto value = ringo::once_value([&]() -> int {
      ++calls;
      throw std::runtime_error("bad value");
    });
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(thrown_by(action), std::string("bad action"));
      EXPECT_EQ(thrown_by(value), std::string("bad value"));
    }
    const auto copy = value;
    ringo::spawn([copy] { EXPECT_EQ(thrown_by(copy), std::string("bad value")); }).join();
    EXPECT_EQ(calls, 2);
  });
}

TEST_CASE("SY-22: those who wait for a run that throws get what it threw") {
  run_on_each([] {
    auto go_on = ringo::make_chan<void>();
    const auto value = ringo::once_value([&]() -> int {
      go_on.recv();
      throw std::runtime_error("late");
    });
    const auto expect_late = [&] { EXPECT_EQ(thrown_by(value), std::string("late")); };
    const auto runner = go_until_parked(parked_in_recv, expect_late);
    std::vector<watched_fiber> fibers;
    for (int i = 0; i < 3; ++i) fibers.push_back(go_until_parked(parked_in_once, expect_late));
    go_on.send();
    runner.wait();
    for (const auto& fiber : fibers) fiber.wait();
  });
}

// After Go's TestOnceFuncGoexit.
TEST_CASE("SY-22: goexit in the function does not cause a second run") {
  run_freely_on_each([] {
    std::atomic<int> calls{0};
    const auto action = ringo::once_func([&] {
      ++calls;
      ringo::goexit();
    });
    const auto value = ringo::once_value([&]() -> int {
      ++calls;
      ringo::goexit();
      return 1;
    });
    bool returned = false;
    ringo::go([&, action] {
      action();
      returned = true;
    });
    ringo::go([&, value] {
      value();
      returned = true;
    });
    eventually([] { return ringo::num_fibers() == 1; });
    EXPECT(!returned);
    const std::string text = "once: the function called goexit";
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(panic_text(action), text);
      EXPECT_EQ(panic_text([&] { value(); }), text);
    }
    EXPECT_EQ(calls.load(), 2);
  });
}

TEST_CASE("SY-23: the function is destroyed after its run") {
  run_on_each([] {
    const auto held = std::make_shared<int>(1);
    const auto action = ringo::once_func([held] {});
    const auto value = ringo::once_value([held] { return *held; });
    const auto failing = ringo::once_func([held] { throw std::runtime_error("thrown"); });
    EXPECT_EQ(held.use_count(), 4L);
    action();
    EXPECT_EQ(held.use_count(), 3L);
    EXPECT_EQ(value(), 1);
    EXPECT_EQ(held.use_count(), 2L);
    EXPECT_EQ(thrown_by(failing), std::string("thrown"));
    EXPECT_EQ(held.use_count(), 1L);
  });
}

TEST_CASE("SY-23: what was never called is destroyed with the last copy") {
  run_on_each([] {
    const auto held = std::make_shared<int>(1);
    {
      const auto value = ringo::once_value([held] { return *held; });
      const auto copy = value;
      EXPECT_EQ(held.use_count(), 2L);
    }
    EXPECT_EQ(held.use_count(), 1L);
  });
}
