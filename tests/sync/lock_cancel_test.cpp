// The locks' operations with a leading context: who is first wins, and nothing is lost. One case
// goes through all of them. The end of their lives is in tests/stress/cancel_destruction_test.cpp.

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>

#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/time/now.hpp>

#include "cancellable_locks.hpp"
#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::background;
using ringo::context;
using ringo::with_cancel;

namespace {

// clang-format off
//                                                plain  asan   tsan
constexpr auto race_rounds = sizes::pick<std::size_t>(2'000, 500,   200);
// clang-format on

const std::error_code canceled = ringo::errc::canceled;

context done_context() {
  auto [ctx, cancel] = with_cancel(background());
  cancel();
  return ctx;
}

}  // namespace

TEST_CASE("locks with a context: go on as without one while it is alive") {
  const auto check = [](auto op) {
    for (const context& ctx : {background(), with_cancel(background()).ctx}) {
      typename decltype(op)::object one;
      EXPECT(!op.wait(one, ctx));
      op.undo(one);
      op.hold(one);
      const auto waits = go_until_parked(op.reason, [&] {
        EXPECT(!op.wait(one, ctx));
        op.undo(one);
      });
      op.let_go(one);
      waits.wait();
      EXPECT(op.is_free(one));
    }
  };
  run_on_each([&] { for_each_lock(check); });
}

TEST_CASE("locks with a context: one that is done on entry wins, even over a lock that is free") {
  const auto check = [](auto op) {
    const context ctx = done_context();
    typename decltype(op)::object one;
    EXPECT(op.wait(one, ctx) == canceled);
    EXPECT(op.is_free(one));
    op.hold(one);
    EXPECT(op.wait(one, ctx) == canceled);
    op.let_go(one);
    EXPECT(op.is_free(one));
    EXPECT_EQ(panic_text([&] { (void)op.wait(one, context()); }), std::string("nil context"));
  };
  for_each_lock(check);  // without a runtime
  run_on_each([&] { for_each_lock(check); });
}

TEST_CASE("locks with a context: who waits gives up, and leaves the queue") {
  const auto check = [](auto op) {
    typename decltype(op)::object one;
    op.hold(one);
    auto [ctx, cancel] = with_cancel(background());
    const auto first =
        go_until_parked(op.reason, [&, ctx = ctx] { EXPECT(op.wait(one, ctx) == canceled); });
    const auto behind = go_until_parked(op.reason, [&] {
      EXPECT(!op.wait(one, background()));
      op.undo(one);
    });
    cancel();
    first.wait();
    EXPECT(!behind.finished());
    op.let_go(one);
    behind.wait();
    EXPECT(op.is_free(one));
  };
  run_on_each([&] { for_each_lock(check); });
}

TEST_CASE("locks with a context: a deadline ends the wait") {
  const auto check = [](auto op) {
    typename decltype(op)::object one;
    op.hold(one);
    const auto begin = ringo::now();
    EXPECT(op.wait(one, ringo::with_timeout(background(), 300us).ctx) ==
           ringo::errc::deadline_exceeded);
    EXPECT(ringo::now() - begin >= 300us);
    op.let_go(one);
    EXPECT(op.is_free(one));
  };
  run_on_each([&] { for_each_lock(check); });
}

TEST_CASE("locks with a context: one cancellation ends many waits") {
  const auto check = [](auto op) {
    constexpr std::size_t crowd = 50;
    typename decltype(op)::object one;
    op.hold(one);
    auto [ctx, cancel] = with_cancel(background());
    fiber_group fibers;
    for (std::size_t i = 0; i < crowd; ++i) {
      fibers.go([&, ctx = ctx] { EXPECT(op.wait(one, ctx) == canceled); });
    }
    wait_until_parked(crowd);
    cancel();
    fibers.join();
    op.let_go(one);
    EXPECT(op.is_free(one));
  };
  run_on_each([&] { for_each_lock(check); });
}

TEST_CASE("locks with a context: plain threads give up, too") {
  const auto check = [](auto op) {
    typename decltype(op)::object one;
    op.hold(one);
    auto [ctx, cancel] = with_cancel(background());
    thread_group threads;
    threads.start([&, ctx = ctx] { EXPECT(op.wait(one, ctx) == canceled); });
    threads.start([&] {
      EXPECT(!op.wait(one, with_cancel(background()).ctx));
      op.undo(one);
    });
    threads.wait_until_asleep();
    cancel();
    op.let_go(one);
    threads.join();
    EXPECT(op.is_free(one));
  };
  for_each_lock(check);  // without a runtime
  run_on_each([&] { for_each_lock(check); });
}

// The cancellation comes before, while and after the waiter queues itself, and before, while and
// after the lock is let go: it is either taken, or as before.
TEST_CASE("locks with a context: racing with cancel and unlock, one of the two happens") {
  const auto check = [](auto op) {
    for (std::size_t round = 0; round < race_rounds; ++round) {
      auto one = std::make_unique<typename decltype(op)::object>();
      op.hold(*one);
      auto [ctx, cancel] = with_cancel(background());
      auto waits = ringo::spawn([&, ctx = ctx] {
        const auto given_up = op.wait(*one, ctx);
        if (!given_up) op.undo(*one);
        return given_up;
      });
      auto cancels = ringo::spawn([cancel = cancel] { cancel(); });
      if (round % 2 == 0) ringo::yield();
      if (round % 3 == 0) ringo::yield();
      op.let_go(*one);
      const auto given_up = waits.join();
      EXPECT((!given_up || given_up == canceled));
      cancels.join();
      EXPECT(op.is_free(*one));
    }
  };
  run_on_each([&] { for_each_lock(check); });
}

// A third one waits behind the one who gives up: it must get its turn in any order of the two.
TEST_CASE("locks with a context: who waits behind one who gives up gets its turn") {
  const auto check = [](auto op) {
    for (std::size_t round = 0; round < race_rounds / 2; ++round) {
      typename decltype(op)::object one;
      op.hold(one);
      auto [ctx, cancel] = with_cancel(background());
      fiber_group fibers;
      fibers.go([&, ctx = ctx] {
        if (!op.wait(one, ctx)) op.undo(one);
      });
      if (round % 2 == 0) ringo::yield();
      fibers.go([&] {
        EXPECT(!op.wait(one, background()));
        op.undo(one);
      });
      if (round % 3 == 0) ringo::yield();
      fibers.go([cancel = cancel] { cancel(); });
      if (round % 5 == 0) ringo::yield();
      op.let_go(one);
      fibers.join();
      EXPECT(op.is_free(one));
    }
  };
  run_on_each([&] { for_each_lock(check); });
}

// What is left over must not be found by a cancellation after the run, nor stand in the queue.
TEST_CASE("locks with a context: left over at the end of a run, parked and called off") {
  for_each_worker_count([](std::size_t workers) {
    for_each_lock([workers](auto op) {
      for (const bool called_off : {false, true}) {
        typename decltype(op)::object one;
        const auto tree = with_cancel(background());
        run_on(
            workers,
            [&] {
              op.hold(one);
              for (int i = 0; i < 3; ++i) {
                go_until_parked(op.reason, [&op, &one, ctx = tree.ctx] {
                  if (!op.wait(one, ctx)) op.undo(one);
                });
              }
              if (called_off) tree.cancel();
            },
            leftovers::allowed);
        tree.cancel();
        op.let_go(one);
        CHECK(op.is_free(one));
      }
    });
  });
}

// The lock goes at the end of the main function, the cancellation comes after it.
TEST_CASE("locks with a context: gone while fibers wait that a cancellation then looks for") {
  for_each_worker_count([](std::size_t workers) {
    for_each_lock([workers](auto op) {
      const auto tree = with_cancel(background());
      auto one = std::make_unique<typename decltype(op)::object>();
      run_on(
          workers,
          [&] {
            op.hold(*one);
            for (int i = 0; i < 3; ++i) {
              go_until_parked(op.reason,
                              [&op, p = one.get(), ctx = tree.ctx] { (void)op.wait(*p, ctx); });
            }
            op.abandon(one);
            tree.cancel();
            let_others_run();
          },
          leftovers::allowed);
    });
  });
}
