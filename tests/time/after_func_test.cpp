// after_func: timers that start a fiber, in virtual time.

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/select.hpp>
#include <ringo/sync/wait_group.hpp>
#include <ringo/time/after.hpp>
#include <ringo/time/timer.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/timers.hpp"
#include "support/virtual_time.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::after_func;
using ringo::make_chan;
using ringo::timer;
using std::chrono::nanoseconds;

namespace {

// clang-format off
//                                                       plain    asan   tsan
constexpr auto chain_length = sizes::pick<std::size_t>(100,     50,    20);
// clang-format on

}  // namespace

TEST_CASE("TM-13: the function runs once, in a fiber of its own, exactly when it is due") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    auto ids = make_chan<std::uint64_t>();
    const timer t = after_func(100ms, [=] {
      EXPECT_EQ(watch.passed(), 100ms);
      ids.send(ringo::this_fiber::id());
    });
    EXPECT(!t.channel());
    EXPECT(*ids.recv() != ringo::this_fiber::id());
    EXPECT_EQ(watch.passed(), 100ms);
    EXPECT(!t.stop());
    ringo::sleep_for(1h);
    EXPECT(!ids.try_recv());
  });
}

TEST_CASE("TM-13: a slow function delays no other") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    auto slept = make_chan<void>();
    const timer slow = after_func(0s, [=] {
      ringo::sleep_for(1s);
      slept.send();
    });
    auto done = make_chan<void>();
    std::function<void(int)> chain = [&](int left) {
      if (left == 0) return done.close();
      after_func(0s, [&chain, left] { chain(left - 1); });
    };
    chain(static_cast<int>(chain_length));
    done.recv();
    EXPECT_EQ(watch.passed(), 0s);
    EXPECT(!slow.stop());  // started, and stop does not wait for it
    EXPECT_EQ(watch.passed(), 0s);
    slept.recv();
    EXPECT_EQ(watch.passed(), 1s);
  });
}

TEST_CASE("TM-13: stop is true if the function will not start") {
  run_in_bubble_on_each([] {
    std::atomic<bool> ran{false};
    const timer t = after_func(1h, [&] { ran = true; });
    EXPECT(timers_pending());
    EXPECT(t.stop());
    EXPECT(!timers_pending());
    EXPECT(!t.stop());
    ringo::sleep_for(2h);
    EXPECT(!ran);
    const timer forever = after_func(nanoseconds::max(), [&] { ran = true; });
    EXPECT(!timers_pending());
    EXPECT(forever.stop());
    EXPECT(!forever.stop());
  });
}

TEST_CASE("TM-13: reset may run the function while it still runs") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    auto started = make_chan<void>();
    auto gate = make_chan<void>();
    const timer t = after_func(1h, [=] {
      started.send();
      gate.recv();
    });
    EXPECT(t.reset(1ms));
    started.recv();
    EXPECT_EQ(watch.passed(), 1ms);
    EXPECT(!t.reset(0s));
    started.recv();
    EXPECT(!t.reset(-1s));
    started.recv();
    EXPECT_EQ(watch.passed(), 1ms);
    EXPECT(!t.reset(1h));
    EXPECT(t.reset(nanoseconds::max()));
    EXPECT(t.reset(1h));
    ringo::sleep_for(59min);
    EXPECT(t.stop());
    gate.close();
  });
}

TEST_CASE("TM-13: dropping the handle changes nothing, and the function is freed after its run") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    auto done = make_chan<void>();
    auto alive = std::make_shared<int>(1);
    const std::weak_ptr<int> watched = alive;
    after_func(200ms, [done, alive] { done.send(); });
    alive.reset();
    EXPECT(!watched.expired());
    done.recv();
    EXPECT_EQ(watch.passed(), 200ms);
    ringo::testing::wait();
    EXPECT(watched.expired());

    // With a handle it is kept for a reset.
    timer t = after_func(0s, [done, kept = std::make_shared<int>(1)] { done.send(); });
    for (int i = 0; i < 3; ++i) {
      done.recv();
      t.reset(0s);
    }
    done.recv();
    t = {};

    auto stopped = std::make_shared<int>(1);
    const std::weak_ptr<int> of_stopped = stopped;
    t = after_func(1h, [held = std::move(stopped)] {});
    EXPECT(t.stop());
    EXPECT(!of_stopped.expired());
    t = {};
    EXPECT(of_stopped.expired());

    auto never = std::make_shared<int>(1);
    const std::weak_ptr<int> of_never = never;
    after_func(nanoseconds::max(), [held = std::move(never)] {});
    EXPECT(of_never.expired());  // nothing can start it any more
  });
}

TEST_CASE("after_func: takes what can be called, but no nil function") {
  run_in_bubble_on_each([] {
    static std::atomic<int> calls;
    calls = 0;
    after_func(
        0s, +[] { ++calls; });
    after_func(0s, std::function<void()>([] { ++calls; }));
    after_func(0s, [unique = std::make_unique<int>(2)]() mutable { calls += *unique; });
    after_func(0s, [padding = std::string(200, 'x'), more = std::array<char, 200>{}] {
      calls += static_cast<int>(padding.size() + more.size()) / 400;
    });
    ringo::testing::wait();
    EXPECT_EQ(calls.load(), 5);
    EXPECT_EQ(panic_text([] { after_func(0s, std::function<void()>()); }), "go of nil func value");
    EXPECT_EQ(panic_text([] { after_func(0s, static_cast<void (*)()>(nullptr)); }),
              "go of nil func value");
  });
}

TEST_CASE("after_func: goexit ends the function's fiber") {
  run_in_bubble_on_each([] {
    auto done = make_chan<void>();
    after_func(0s, [=] {
      const auto signal = std::shared_ptr<void>(nullptr, [=](void*) { done.send(); });
      ringo::goexit();
    });
    done.recv();
  });
}
