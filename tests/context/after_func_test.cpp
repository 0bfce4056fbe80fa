// after_func: once, in a fiber of its own, unless taken back.

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/context.hpp>
#include <ringo/go.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"
#include "support/virtual_time.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::after_func;
using ringo::background;
using ringo::context;
using ringo::with_cancel;

TEST_CASE("CX-24: after_func runs once, in a fiber of its own, after the context is done") {
  run_in_bubble_on_each([] {
    auto ran = ringo::make_chan<std::uint64_t>(8);
    auto [ctx, cancel] = with_cancel(background());
    const auto record = [=, ctx = ctx] {
      EXPECT(static_cast<bool>(ctx.err()));
      ran.send(ringo::this_fiber::id());
    };
    after_func(ctx, record);
    after_func(with_cancel(ctx).ctx, record);
    ringo::sleep_for(1h);
    EXPECT_EQ(ran.len(), std::size_t{0});
    cancel();
    cancel();
    EXPECT(*ran.recv() != ringo::this_fiber::id());
    EXPECT(ran.recv().has_value());
    after_func(ctx, record);
    EXPECT(*ran.recv() != ringo::this_fiber::id());
    ringo::sleep_for(1h);
    EXPECT_EQ(ran.len(), std::size_t{0});
  });
}

TEST_CASE("CX-24: a deadline starts the function too, when it comes") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    auto ran = ringo::make_chan<std::chrono::nanoseconds>(8);
    auto timed = ringo::with_timeout(background(), 50ms);
    after_func(timed.ctx, [=] { ran.send(watch.passed()); });
    timed = {};  // it holds the context
    EXPECT_EQ(*ran.recv(), 50ms);
    ringo::sleep_for(1h);
    EXPECT_EQ(ran.len(), std::size_t{0});
  });
}

TEST_CASE("CX-24: cancel does not wait for the function") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    auto gate = ringo::make_chan<int>();
    auto over = ringo::make_chan<int>();
    auto [ctx, cancel] = with_cancel(background());
    after_func(ctx, [=] {
      ringo::sleep_for(1s);
      (void)gate.recv();
      over.send(1);
    });
    cancel();
    EXPECT_EQ(watch.passed(), 0s);
    EXPECT(!over.try_recv());
    gate.send(1);
    EXPECT(over.recv().has_value());
  });
}

TEST_CASE("CX-25: stop tells whether it prevented the function") {
  run_on_each([] {
    std::atomic<int> runs{0};
    const auto count = [&] { ++runs; };
    auto [ctx, cancel] = with_cancel(background());
    const auto stop = after_func(ctx, count);
    const auto copy = stop;
    EXPECT(copy());
    EXPECT(!stop());
    const auto late = after_func(ctx, count);
    const auto other = after_func(ctx, count);
    EXPECT(other());
    cancel();
    EXPECT(!late());
    EXPECT(!stop());
    eventually([&] { return runs == 1; });
    EXPECT(!after_func(ctx, count)());
    eventually([&] { return runs == 2; });
    const auto never = after_func(background(), count);
    EXPECT(never());
    EXPECT(!never());
    EXPECT(!ringo::stop_function{}());
    EXPECT_EQ(panic_text([] { after_func(background(), std::function<void()>()); }),
              std::string("go of nil func value"));
    eventually([] { return ringo::test::live_fibers() == 1; });
    EXPECT_EQ(runs.load(), 2);
  });
}

TEST_CASE("CX-25: stop and cancel at the same time: one of them has it") {
  run_on_each([] {
    for (int round = 0; round < 200; ++round) {
      std::atomic<int> runs{0};
      auto [ctx, cancel] = with_cancel(background());
      const auto stop = after_func(ctx, [&] { ++runs; });
      auto canceller = ringo::spawn([cancel = cancel] { cancel(); });
      std::atomic<int> stopped{0};
      fiber_group fibers;
      for (int i = 0; i < 3; ++i) fibers.go([&] { stopped += stop() ? 1 : 0; });
      fibers.join();
      canceller.join();
      eventually([&] { return runs + stopped == 1; });
      eventually([] { return ringo::test::live_fibers() == 1; });
      EXPECT_EQ(runs + stopped, 1);
    }
  });
}

TEST_CASE("after_func: what it holds goes when it has run or is taken back") {
  run_on_each([] {
    auto held = std::make_shared<int>(1);
    auto [ctx, cancel] = with_cancel(background());
    const auto taken_back = after_func(ctx, [held] {});
    const auto to_run = after_func(ctx, [held] {});
    const auto never = after_func(background(), [held] {});
    EXPECT(taken_back());
    EXPECT(never());
    EXPECT_EQ(held.use_count(), 2L);
    cancel();
    eventually([&] { return held.use_count() == 1; });
  });
}

// As a timer that came due meanwhile. A stop comes too late for it all the same.
TEST_CASE("after_func: without a runtime it runs when the next one does") {
  for_each_worker_count([](std::size_t workers) {
    auto held = std::make_shared<int>(1);
    std::atomic<int> ran{0};
    const auto count = [held, &ran] {
      EXPECT(ringo::this_fiber::id() != 0);
      ++ran;
    };
    auto cancelled = with_cancel(background());
    after_func(cancelled.ctx, count);
    const auto late = after_func(with_cancel(cancelled.ctx).ctx, count);
    cancelled.cancel();
    CHECK_FALSE(late());
    after_func(cancelled.ctx, count);
    std::thread([&] { after_func(cancelled.ctx, count); }).join();
    CHECK(ran == 0);
    run_on(workers, [&] {
      eventually([&] { return ran == 4; });
      // A plain thread's during a run.
      thread_group threads;
      threads.start([&] { after_func(cancelled.ctx, count); });
      threads.join();
      eventually([&] { return ran == 5; });
    });
    run_on(workers, [] { let_others_run(); });
    CHECK(ran == 5);
    cancelled = {};
    CHECK(held.use_count() == 2);  // that of `count`
  });
}

// A plain thread cancels at the very moment at which a run ends: the function belongs to that run,
// and may be left over, or to the next.
TEST_CASE("after_func: cancelled while a run ends") {
  static constexpr auto rounds = sizes::pick<int>(300, 100, 50);
  for_each_worker_count([](std::size_t workers) {
    static std::atomic<int> ran{0};
    ran = 0;
    for (int i = 0; i < rounds; ++i) {
      std::atomic<bool> begun{false};
      std::thread canceller;
      ringo::run({.workers = static_cast<int>(workers)}, [&] {
        canceller = std::thread([&begun] {
          const auto tree = with_cancel(background());
          after_func(tree.ctx, [] { ++ran; });
          begun = true;
          tree.cancel();
        });
        eventually([&] { return begun.load(); }, "the thread");
      });
      canceller.join();
    }
    ringo::run([] { let_others_run(); });
    CHECK(ran <= rounds);
  });
}
