// Deadlines, in virtual time: the earlier one wins, and a timer never outlives its use.

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <system_error>
#include <utility>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/time/now.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/timers.hpp"
#include "support/virtual_time.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::background;
using ringo::context;
using ringo::with_deadline;
using ringo::with_timeout;
using std::chrono::nanoseconds;

namespace {

const std::error_code canceled = ringo::errc::canceled;
const std::error_code exceeded = ringo::errc::deadline_exceeded;
const std::error_code too_slow = std::make_error_code(std::errc::stream_timeout);

}  // namespace

TEST_CASE("CX-10: the earlier of two deadlines wins") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    const auto soon = watch.start() + 50ms;
    auto [parent, cancel] = with_deadline(background(), soon);
    const context later = with_timeout(parent, 1'000h).ctx;
    EXPECT(*later.deadline() == soon);
    const context sooner = with_deadline(parent, soon - 10ms).ctx;
    EXPECT(*sooner.deadline() == soon - 10ms);
    EXPECT(*ringo::with_cancel(parent).ctx.deadline() == soon);
    EXPECT(!with_timeout(background(), std::chrono::hours::max()).ctx.deadline());
    EXPECT(!sooner.done().recv());
    EXPECT_EQ(watch.passed(), 40ms);
    EXPECT(sooner.err() == exceeded);
    EXPECT(!parent.err());
    EXPECT(!later.done().recv());
    EXPECT_EQ(watch.passed(), 50ms);
    EXPECT(later.err() == exceeded);
    EXPECT(parent.err() == exceeded);
    EXPECT(!timers_pending());
  });
}

TEST_CASE("CX-10: a context is alive one moment before its deadline") {
  run_in_bubble_on_each([] {
    const context ctx = with_timeout(background(), 50ms).ctx;
    ringo::sleep_for(50ms - 1ns);
    EXPECT(!ctx.err());
    EXPECT(!ctx.done().try_recv().closed());
    ringo::sleep_for(1ns);
    EXPECT(ctx.err() == exceeded);
    EXPECT(ctx.done().try_recv().closed());
  });
}

TEST_CASE("CX-10: a deadline ends a whole tree") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    auto [parent, cancel] = with_timeout(background(), 50ms);
    std::vector<context> tree{parent};
    for (std::size_t i = 0; i < 30; ++i) tree.push_back(ringo::with_cancel(tree[i / 2]).ctx);
    fiber_group fibers;
    for (const auto& ctx : tree) {
      fibers.go([&, ctx] {
        EXPECT(!ctx.done().recv());
        EXPECT_EQ(watch.passed(), 50ms);
        for (const auto& each : tree) EXPECT(each.err() == exceeded);
      });
    }
    fibers.join();
  });
}

// Go's TestLayersTimeout has its deadlines at every height.
TEST_CASE("CX-10: in a chain each context ends at the earliest deadline above it") {
  CAPTURE(seed());
  run_in_bubble_on_each([] {
    auto random = generator(10);
    for (int round = 0; round < 20; ++round) {
      const stopwatch watch;
      context last = background();
      auto earliest = nanoseconds::max();
      fiber_group fibers;
      std::vector<context> chain;
      for (int i = 0; i < 30; ++i) {
        const nanoseconds delay = 1ns * (1 + random() % 1'000'000);
        last = with_timeout(last, delay).ctx;
        earliest = std::min(earliest, delay);
        EXPECT_EQ(watch.until(*last.deadline()), earliest);
        fibers.go([=, ctx = last] {
          EXPECT(!ctx.done().recv());
          EXPECT_EQ(watch.passed(), earliest);
          EXPECT(ctx.err() == exceeded);
        });
        chain.push_back(last);
      }
      fibers.join();
      EXPECT(!timers_pending());
    }
  });
}

TEST_CASE("CX-11: a deadline that has passed is done at once") {
  const auto check = [] {
    for (const auto ago : {0ns, 1ns, 1'000'000ns}) {
      auto [ctx, cancel] = with_deadline(background(), ringo::now() - ago);
      EXPECT(ctx.err() == exceeded);
      EXPECT(ctx.done().try_recv().closed());
      cancel();
      EXPECT(ctx.err() == exceeded);
    }
    EXPECT(with_timeout(background(), -1h).ctx.err() == exceeded);
  };
  check();
  run_on_each(check);
  run_in_bubble_on_each(check);
}

TEST_CASE("CX-12: cancel stops the timer") {
  run_in_bubble_on_each([] {
    auto [ctx, cancel] = with_timeout(background(), 1h);
    EXPECT(timers_pending());
    ringo::sleep_for(1h - 1ns);
    cancel();
    EXPECT(!timers_pending());
    EXPECT(ctx.err() == canceled);
    ringo::sleep_for(1h);
    EXPECT(ctx.err() == canceled);
    auto [parent, cancel_parent] = ringo::with_cancel(background());
    const context child = with_timeout(with_timeout(parent, 2h).ctx, 1h).ctx;
    EXPECT(timers_pending());
    cancel_parent();
    EXPECT(!timers_pending());
    EXPECT(child.err() == canceled);
  });
}

// In real time: in a bubble a deadline comes when nobody runs who could cancel meanwhile.
TEST_CASE("CX-12: cancel, drop and the timer at the same time") {
  constexpr int rounds = static_cast<int>(sizes::pick<std::size_t>(2'000, 500, 300));
  run_on_each([] {
    for (int i = 0; i < rounds; ++i) {
      auto [ctx, cancel] = with_timeout(background(), std::chrono::microseconds(i % 30));
      auto waiter = ringo::spawn([ctx = ctx] {
        EXPECT(!ctx.done().recv());
        EXPECT(ctx.err() == canceled || ctx.err() == exceeded);
      });
      { const auto dropped = with_timeout(ctx, std::chrono::microseconds(i % 20)).ctx.done(); }
      if (i % 2 == 0) ringo::yield();
      if (i % 3 == 0) cancel();
      ctx = {};
      waiter.join();
    }
    EXPECT(!timers_pending());
  });
}

TEST_CASE("CX-13: a deadline that is exceeded is a timeout") {
  run_on_each([] {
    const auto error = with_timeout(background(), 0s).ctx.err();
    EXPECT(error == std::errc::timed_out);
    EXPECT(error != std::errc::operation_canceled);
    auto [ctx, cancel] = ringo::with_cancel(background());
    cancel();
    EXPECT(ctx.err() == std::errc::operation_canceled);
  });
}

TEST_CASE("CX-12: with or without a deadline, the first of cancel and time decides") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    auto [ctx, cancel] = with_timeout(background(), 50ms);
    ringo::go([cancel = cancel] {
      ringo::sleep_for(20ms);
      cancel();
    });
    auto [late, cancel_late] = with_timeout(background(), 50ms);
    EXPECT(!ctx.done().recv());
    EXPECT_EQ(watch.passed(), 20ms);
    EXPECT(ctx.err() == canceled);
    EXPECT(!late.done().recv());
    EXPECT_EQ(watch.passed(), 50ms);
    cancel_late();
    EXPECT(late.err() == exceeded);
  });
}

TEST_CASE("CX-21: the cause of a deadline is used when that ends the context") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    auto [expired, cancel_late] = ringo::with_timeout_cause(background(), 10ms, too_slow);
    EXPECT(!ringo::cause(expired));
    EXPECT(!expired.done().recv());
    EXPECT_EQ(watch.passed(), 10ms);
    cancel_late();
    EXPECT(expired.err() == exceeded);
    EXPECT(ringo::cause(expired) == too_slow);
    EXPECT(ringo::cause(ringo::with_cancel(expired).ctx) == too_slow);
    auto [stopped, cancel] = ringo::with_timeout_cause(background(), 1h, too_slow);
    cancel();
    EXPECT(ringo::cause(stopped) == canceled);
    ringo::sleep_for(2h);
    EXPECT(ringo::cause(stopped) == canceled);
    EXPECT(ringo::cause(with_timeout(background(), 0s).ctx) == exceeded);
    const auto past = ringo::now();
    EXPECT(ringo::cause(ringo::with_deadline_cause(background(), past, too_slow).ctx) == too_slow);
  });
}

TEST_CASE("CX-22: the cause of a deadline that is later than the parent's is not used") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    auto [parent, cancel] = with_timeout(background(), 10ms);
    const context child = ringo::with_timeout_cause(parent, 1h, too_slow).ctx;
    EXPECT(!child.done().recv());
    EXPECT_EQ(watch.passed(), 10ms);
    EXPECT(ringo::cause(child) == exceeded);
    ringo::sleep_for(2h);
    EXPECT(ringo::cause(child) == exceeded);
  });
}

TEST_CASE("CX-27: the last handle gone takes the timer and the link along") {
  run_in_bubble_on_each([] {
    auto [parent, cancel] = ringo::with_cancel(background());
    {
      auto child = with_timeout(parent, 1h);
      EXPECT(timers_pending());
      child.ctx = {};
      EXPECT(timers_pending());
      const auto done = with_timeout(parent, 2h).ctx.done();
      child.cancel = {};
      EXPECT(timers_pending());
    }
    EXPECT(!timers_pending());
    {
      auto [child, cancel_child] = with_timeout(parent, 1h);
      const ringo::cancel_guard guard(cancel_child);
    }
    EXPECT(!timers_pending());
    cancel();
  });
}

TEST_CASE("CX-27: without cancel the timer fires, and the parent's end is an end") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    const auto by_timer = with_timeout(background(), 50ms).ctx.done();
    EXPECT(!by_timer.recv());
    EXPECT_EQ(watch.passed(), 50ms);
    auto [parent, cancel] = ringo::with_cancel(background());
    const context child = with_timeout(parent, 1h).ctx;
    cancel();
    EXPECT(child.err() == canceled);
    EXPECT(!timers_pending());
  });
}
