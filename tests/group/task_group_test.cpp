// The task_group. The end of its life is in tests/stress/cancel_destruction_test.cpp.

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>

#include <ringo/chan.hpp>
#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/group/task_group.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"

using namespace ringo::test;
using ringo::background;
using ringo::task_group;
using ringo::with_cancel;

static_assert(!std::is_copy_constructible_v<task_group>);
static_assert(!std::is_move_constructible_v<task_group>);
static_assert(!std::is_convertible_v<ringo::context, task_group>);

namespace {

// clang-format off
//                                               plain  asan   tsan
constexpr auto race_rounds   = sizes::pick<int>(500,   200,   50);
constexpr auto limited_tasks = sizes::pick<int>(1'024, 512,   200);
// clang-format on

const std::error_code canceled = ringo::errc::canceled;
const std::error_code first_error = std::make_error_code(std::errc::no_such_file_or_directory);
const std::error_code second_error = std::make_error_code(std::errc::permission_denied);

constexpr const char* parked_in_acquire = "semaphore.Acquire";
constexpr const char* parked_for_too_many = "semaphore.Acquire (more than there are)";

/// What wait() throws, as text.
std::string thrown_by_wait(task_group& group) {
  try {
    EXPECT(!group.wait());
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("SY-34: wait waits for all functions and returns the first error") {
  run_on_each([] {
    const std::error_code none;
    struct {
      std::error_code codes[4];
      std::error_code want;
    } const table[] = {
        {{none, none, none, none}, none},
        {{none, first_error, none, second_error}, first_error},
        {{second_error, first_error, none, none}, second_error},
    };
    for (const auto& row : table) {
      task_group group;
      std::atomic<int> ran{0};
      for (const auto code : row.codes) {
        const auto before = ran.load();
        group.go([&ran, code] {
          ++ran;
          return code;
        });
        // One after the other, so that the first in the table is the first to happen.
        eventually([&] { return ran > before && (!code || group.ctx().err()); });
      }
      EXPECT(group.wait() == row.want);
      EXPECT_EQ(ran.load(), 4);
      EXPECT(group.wait() == row.want);
    }
    task_group unused;
    EXPECT(!unused.wait());
  });
}

TEST_CASE("SY-34: nothing is interrupted but through the context") {
  run_on_each([] {
    task_group group;
    auto gate = ringo::make_chan<void>();
    bool finished = false;
    group.go([&] {
      gate.recv();
      finished = true;
    });
    group.go([&] { return gate.recv(group.ctx()); });
    group.go([] { return first_error; });
    eventually([&] { return ringo::test::live_fibers() == 2; });
    EXPECT(!finished);
    gate.close();
    EXPECT(group.wait() == first_error);
    EXPECT(finished);
  });
}

TEST_CASE("SY-35: the context is done after the first error, which is its cause") {
  run_on_each([] {
    const auto parent = with_cancel(background());
    task_group group(parent.ctx);
    EXPECT(!group.ctx().err());
    group.go([&group] {
      (void)group.ctx().done().recv();
      return second_error;
    });
    group.go([] { return first_error; });
    (void)group.ctx().done().recv();
    EXPECT(group.ctx().err() == canceled);
    EXPECT(ringo::cause(group.ctx()) == first_error);
    EXPECT(group.wait() == first_error);
    EXPECT(!parent.ctx.err());
  });
}

TEST_CASE("SY-35: the context is done at latest when wait returns, even without an error") {
  run_on_each([] {
    task_group group;
    group.go([] {});
    const ringo::context ctx = group.ctx();
    EXPECT(!group.wait());
    EXPECT(ctx.err() == canceled);
    EXPECT(ringo::cause(ctx) == canceled);
  });
}

TEST_CASE("SY-35: a parent that is done cancels the group's context") {
  run_on_each([] {
    const auto parent = with_cancel(background());
    task_group group(parent.ctx);
    group.go([&] { return ringo::make_chan<void>().recv(group.ctx()); });
    parent.cancel();
    EXPECT(group.wait() == canceled);
    EXPECT_EQ(panic_text([] { task_group nil{ringo::context()}; }),
              std::string("cannot create context from nil parent"));
  });
}

TEST_CASE("SY-36: no more functions are active than the limit allows") {
  run_on_each([] {
    constexpr int limit = 10;
    task_group group;
    group.set_limit(limit);
    std::atomic<int> active{0};
    std::atomic<int> ran{0};
    for (int i = 0; i < limited_tasks; ++i) {
      group.go([&] {
        EXPECT(++active <= limit);
        ringo::yield();
        --active;
        ++ran;
      });
    }
    EXPECT(!group.wait());
    EXPECT_EQ(ran.load(), limited_tasks);
  });
}

TEST_CASE("SY-36: try_go starts nothing when the limit is reached, and does not move") {
  run_on_each([] {
    task_group group;
    group.set_limit(2);
    auto gate = ringo::make_chan<void>();
    EXPECT(group.try_go([&] { gate.recv(); }));
    EXPECT(group.try_go([&] { gate.recv(); }));
    auto owned = std::make_unique<int>(1);
    auto fn = [owned = std::move(owned)] { EXPECT(owned); };
    EXPECT(!group.try_go(std::move(fn)));
    fn();
    const auto waits = go_until_parked(parked_in_acquire, [&] { group.go([] {}); });
    EXPECT(!waits.finished());
    gate.close();
    waits.wait();
    EXPECT(!group.wait());
    EXPECT(group.try_go(std::move(fn)));
    EXPECT(!group.wait());
    group.set_limit(-1);
    auto second = ringo::make_chan<void>();
    for (int i = 0; i < 20; ++i) EXPECT(group.try_go([&] { second.recv(); }));
    second.close();
    EXPECT(!group.wait());
  });
}

TEST_CASE("SY-36: a limit of 0 admits none, and go blocks for ever") {
  run_on_each(
      [] {
        auto group = std::make_unique<task_group>();
        group->set_limit(0);
        for (int i = 0; i < limited_tasks; ++i) EXPECT(!group->try_go([] { EXPECT(false); }));
        const auto vain =
            go_until_parked(parked_for_too_many, [&] { group->go([] { EXPECT(false); }); });
        EXPECT(!group->wait());
        let_others_run();
        EXPECT(vain.parked_for(parked_for_too_many));
      },
      leftovers::allowed);
}

TEST_CASE("SY-36: changing the limit while functions are active panics") {
  run_on_each([] {
    task_group group;
    auto gate = ringo::make_chan<void>();
    group.go([&] { gate.recv(); });
    EXPECT_EQ(panic_text([&] { group.set_limit(1); }),
              std::string("task_group: set_limit while functions are active"));
    gate.close();
    EXPECT(!group.wait());
    group.set_limit(1);
    group.set_limit(-1);
  });
}

// Go lets a panic crash the process. Here wait() rethrows it, and that is the difference.
TEST_CASE("SY-37: an exception cancels the group and is rethrown by wait") {
  run_on_each([] {
    task_group group;
    group.go([&] { return ringo::make_chan<void>().recv(group.ctx()); });
    group.go([] { throw std::runtime_error("x"); });
    EXPECT_EQ(thrown_by_wait(group), std::string("x"));
    EXPECT(ringo::cause(group.ctx()) == canceled);
    EXPECT_EQ(thrown_by_wait(group), std::string("x"));
  });
}

TEST_CASE("SY-37: of an error and an exception the first to happen counts") {
  run_on_each([] {
    for (const bool throws_first : {false, true}) {
      task_group group;
      group.go([&] {
        if (throws_first) (void)group.ctx().done().recv();
        return first_error;
      });
      group.go([&] {
        if (!throws_first) (void)group.ctx().done().recv();
        throw std::runtime_error("x");
      });
      if (throws_first) {
        EXPECT_EQ(thrown_by_wait(group), std::string("x"));
      } else {
        EXPECT(group.wait() == first_error);
      }
    }
  });
}

TEST_CASE("task_group: racing failures make one of them the first, for all") {
  run_on_each([] {
    for (int i = 0; i < race_rounds; ++i) {
      task_group group;
      group.go([] { return first_error; });
      group.go([] { return second_error; });
      const auto told = group.wait();
      EXPECT((told == first_error || told == second_error));
      EXPECT(ringo::cause(group.ctx()) == told);
    }
  });
}

TEST_CASE("task_group: the destructor cancels and waits, and drops what went wrong") {
  run_on_each([] {
    std::atomic<int> ended{0};
    {
      task_group group;
      for (int i = 0; i < 3; ++i) {
        group.go([&, i] {
          (void)group.ctx().done().recv();
          ringo::yield();
          ++ended;
          if (i == 1) throw std::runtime_error("x");
        });
      }
    }
    EXPECT_EQ(ended.load(), 3);
  });
}

TEST_CASE("task_group: goexit in a function counts as its end, after its destructors") {
  run_on_each([] {
    task_group group;
    group.set_limit(1);
    auto owned = std::make_shared<int>(1);
    group.go([owned] { ringo::goexit(); });
    group.go([] {});  // there is room again
    EXPECT(!group.wait());
    EXPECT_EQ(owned.use_count(), 1L);
  });
}

TEST_CASE("task_group: what a function owns is gone when wait returns") {
  run_on_each([] {
    for (int i = 0; i < race_rounds; ++i) {
      task_group group;
      auto owned = std::make_shared<int>(i);
      group.go([owned] { return *owned == 0 ? std::error_code() : first_error; });
      (void)group.wait();
      EXPECT_EQ(owned.use_count(), 1L);
    }
  });
}

TEST_CASE("task_group: functions may start others, and wait waits for those too") {
  run_on_each([] {
    task_group group;
    std::atomic<int> ran{0};
    std::function<void(int)> split = [&](int depth) {
      ++ran;
      if (depth == 0) return;
      group.go([&, depth] { split(depth - 1); });
      group.go([&, depth] { split(depth - 1); });
    };
    split(6);
    EXPECT(!group.wait());
    EXPECT_EQ(ran.load(), 127);
  });
}

TEST_CASE("task_group: go with a context gives up when there is no room") {
  run_on_each([] {
    task_group group;
    group.set_limit(1);
    auto gate = ringo::make_chan<void>();
    group.go([&] { gate.recv(); });
    auto [ctx, cancel] = with_cancel(background());
    const auto waits = go_until_parked(parked_in_acquire, [&, ctx = ctx] {
      EXPECT(group.go(ctx, [] { EXPECT(false); }) == canceled);
    });
    cancel();
    waits.wait();
    EXPECT(group.go(ctx, [] { EXPECT(false); }) == canceled);
    gate.close();
    EXPECT(!group.wait());
    bool ran = false;
    EXPECT(!group.go(background(), [&] { ran = true; }));
    EXPECT(!group.wait());
    EXPECT(ran);
  });
}

TEST_CASE("task_group: wait with a context gives up, and the functions go on") {
  run_on_each([] {
    task_group group;
    auto gate = ringo::make_chan<void>();
    group.go([&] { gate.recv(); });
    auto [ctx, cancel] = with_cancel(background());
    const auto waits = go_until_parked("sync.WaitGroup.Wait",
                                       [&, ctx = ctx] { EXPECT(group.wait(ctx) == canceled); });
    cancel();
    waits.wait();
    EXPECT(!group.ctx().err());
    gate.close();
    EXPECT(!group.wait(background()));
    EXPECT(group.ctx().err() == canceled);
  });
}

TEST_CASE("task_group: go of a null function panics, and without a runtime too") {
  const std::string nil = "go of nil func value";
  task_group outside;
  outside.set_limit(1);
  CHECK(panic_text([&] { outside.go([] {}); }) == "go: no runtime is running");
  CHECK(panic_text([&] { outside.go([] {}); }) == "go: no runtime is running");  // room, still
  CHECK_FALSE(outside.wait());
  run_on_each([&] {
    task_group group;
    group.set_limit(1);
    EXPECT_EQ(panic_text([&] { group.go(std::function<void()>()); }), nil);
    EXPECT_EQ(panic_text([&] { (void)group.try_go(static_cast<void (*)()>(nullptr)); }), nil);
    group.go([] {});
    EXPECT(!group.wait());
  });
}

TEST_CASE("task_group: plain threads start functions and wait") {
  run_on_each([] {
    thread_group threads;
    threads.start([] {
      task_group group;
      group.set_limit(2);
      std::atomic<int> ran{0};
      for (int i = 0; i < 50; ++i) group.go([&] { ++ran; });
      group.go([] { return first_error; });
      EXPECT(group.wait() == first_error);
      EXPECT_EQ(ran.load(), 50);
    });
    threads.join();
  });
}
