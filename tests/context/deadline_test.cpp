// Deadlines: the earlier one wins, and a timer never outlives its use.

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <system_error>
#include <utility>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>

#include "sched/scheduler.hpp"
#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::background;
using ringo::context;
using ringo::with_deadline;
using ringo::with_timeout;
using clock_type = std::chrono::steady_clock;

namespace {

const std::error_code canceled = ringo::errc::canceled;
const std::error_code exceeded = ringo::errc::deadline_exceeded;
const std::error_code too_slow = std::make_error_code(std::errc::stream_timeout);

bool timers_pending() {
  auto& s = ringo::detail::scheduler::instance();
  if (s.shared_timers().next() != ringo::detail::never) return true;
  for (std::uint32_t i = 0; i < s.worker_count(); ++i) {
    if (s.worker_at(i)->timers().next() != ringo::detail::never) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("CX-10: the earlier of two deadlines wins") {
  run_on_each([] {
    const auto soon = clock_type::now() + 2ms;
    auto [parent, cancel] = with_deadline(background(), soon);
    const context later = with_timeout(parent, 1h).ctx;
    EXPECT(*later.deadline() == soon);
    const context sooner = with_deadline(parent, soon - 1ms).ctx;
    EXPECT(*sooner.deadline() == soon - 1ms);
    EXPECT(*ringo::with_cancel(parent).ctx.deadline() == soon);
    EXPECT(!with_timeout(background(), std::chrono::hours::max()).ctx.deadline());
    EXPECT(!later.done().recv());
    EXPECT(clock_type::now() >= soon);
    EXPECT(later.err() == exceeded);
    EXPECT(parent.err() == exceeded);
    EXPECT(!sooner.done().recv());
    EXPECT(sooner.err() == exceeded);
    EXPECT(!timers_pending());
  });
}

TEST_CASE("CX-10: a deadline ends a whole tree") {
  run_on_each([] {
    auto [parent, cancel] = with_timeout(background(), 500us);
    std::vector<context> tree{parent};
    for (std::size_t i = 0; i < 30; ++i) tree.push_back(ringo::with_cancel(tree[i / 2]).ctx);
    fiber_group fibers;
    for (const auto& ctx : tree) {
      fibers.go([&, ctx] {
        EXPECT(!ctx.done().recv());
        for (const auto& each : tree) EXPECT(each.err() == exceeded);
      });
    }
    fibers.join();
  });
}

TEST_CASE("CX-11: a deadline that has passed is done at once") {
  const auto check = [] {
    for (const auto ago : {0ns, 1ns, 1'000'000ns}) {
      auto [ctx, cancel] = with_deadline(background(), clock_type::now() - ago);
      EXPECT(ctx.err() == exceeded);
      EXPECT(ctx.done().try_recv().closed());
      cancel();
      EXPECT(ctx.err() == exceeded);
    }
    EXPECT(with_timeout(background(), -1h).ctx.err() == exceeded);
  };
  check();
  run_on_each(check);
}

TEST_CASE("CX-12: cancel stops the timer") {
  run_on_each([] {
    auto [ctx, cancel] = with_timeout(background(), 1h);
    EXPECT(timers_pending());
    cancel();
    EXPECT(!timers_pending());
    EXPECT(ctx.err() == canceled);
    auto [parent, cancel_parent] = ringo::with_cancel(background());
    const context child = with_timeout(with_timeout(parent, 2h).ctx, 1h).ctx;
    EXPECT(timers_pending());
    cancel_parent();
    EXPECT(!timers_pending());
    EXPECT(child.err() == canceled);
  });
}

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

TEST_CASE("CX-21: the cause of a deadline is used when that ends the context") {
  run_on_each([] {
    auto [expired, cancel_late] = ringo::with_timeout_cause(background(), 100us, too_slow);
    EXPECT(!expired.done().recv());
    cancel_late();
    EXPECT(expired.err() == exceeded);
    EXPECT(ringo::cause(expired) == too_slow);
    EXPECT(ringo::cause(ringo::with_cancel(expired).ctx) == too_slow);
    auto [stopped, cancel] = ringo::with_timeout_cause(background(), 1h, too_slow);
    cancel();
    EXPECT(ringo::cause(stopped) == canceled);
    EXPECT(ringo::cause(with_timeout(background(), 0s).ctx) == exceeded);
    const auto past = clock_type::now();
    EXPECT(ringo::cause(ringo::with_deadline_cause(background(), past, too_slow).ctx) == too_slow);
  });
}

TEST_CASE("CX-22: the cause of a deadline that is later than the parent's is not used") {
  run_on_each([] {
    auto [parent, cancel] = with_timeout(background(), 200us);
    const context child = ringo::with_timeout_cause(parent, 1h, too_slow).ctx;
    EXPECT(!child.done().recv());
    EXPECT(ringo::cause(child) == exceeded);
  });
}

TEST_CASE("CX-27: the last handle gone takes the timer and the link along") {
  run_on_each([] {
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
  run_on_each([] {
    const auto by_timer = with_timeout(background(), 200us).ctx.done();
    EXPECT(!by_timer.recv());
    auto [parent, cancel] = ringo::with_cancel(background());
    const context child = with_timeout(parent, 1h).ctx;
    cancel();
    EXPECT(child.err() == canceled);
    EXPECT(!timers_pending());
  });
}

TEST_CASE("context: deadlines from plain threads, and from before a run") {
  for_each_worker_count([](std::size_t workers) {
    const context early = with_timeout(background(), 2ms).ctx;
    run_on(workers, [&] {
      EXPECT(!early.done().recv());
      thread_group thread;
      thread.start([] {
        const context ctx = with_timeout(background(), 500us).ctx;
        EXPECT(!ctx.done().recv());
        EXPECT(ctx.err() == exceeded);
      });
      thread.join();
    });
  });
}
