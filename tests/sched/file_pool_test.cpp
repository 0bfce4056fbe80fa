// The threads that make calls on files: here the calls are the test's own.

#include "sched/file_pool.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <semaphore>
#include <string>
#include <vector>

#include <ringo/context.hpp>
#include <ringo/detail/cancellable.hpp>
#include <ringo/ringo.hpp>

#include "io/io_wait.hpp"
#include "sched/scheduler.hpp"
#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/sizes.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using namespace ringo::detail;

namespace {

/// A call that lasts until it is let through.
struct held_call {
  std::atomic<int> begun{0};
  std::atomic<int> most{0};
  std::atomic<int> under_way{0};
  std::counting_semaphore<> open{0};

  static std::int64_t make(const operation& op) noexcept {
    auto& self = *static_cast<held_call*>(op.data);
    ++self.begun;
    const int now = ++self.under_way;
    int most = self.most.load();
    while (most < now && !self.most.compare_exchange_weak(most, now)) {
    }
    self.open.acquire();
    --self.under_way;
    return op.offset;
  }
};

std::int64_t call(held_call& by,
                  std::int64_t value,
                  cancellation* stop = nullptr,
                  opcode code = opcode::read) {
  operation op;
  op.code = code;
  op.call = &held_call::make;
  op.data = &by;
  op.offset = value;
  return wait_for_operation(op, nullptr, stop, io_reason::file, nullptr);
}

std::int64_t call_at_once(opcode code) {
  operation op;
  op.code = code;
  op.call = [](const operation& /*op*/) noexcept -> std::int64_t { return 42; };
  return wait_for_operation(op, nullptr, nullptr, io_reason::file, nullptr);
}

/// Also those that have been joined, for a moment.
std::size_t pool_threads() {
  std::size_t count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm") >> std::ws, name);
    count += name == "ringo-file" ? 1 : 0;
  }
  return count;
}

int lane_width() {
  const std::uint32_t cpus = scheduler::instance().config().cpus;
  return static_cast<int>(std::min(2 * cpus, file_pool::threads_max));
}

}  // namespace

TEST_CASE("file_pool: calls are made by a bounded number of threads, and none is lost") {
  run_on_each([] {
    constexpr int calls = 200;
    held_call held;
    const int width = lane_width();
    fiber_group group;
    for (int i = 0; i < calls; ++i) {
      group.go([&held, i] { EXPECT_EQ(call(held, i), i); });
    }
    eventually([&] { return held.begun == std::min(width, calls); }, "the lane to be full");
    wait_until_parked(calls);
    EXPECT_EQ(held.begun.load(), std::min(width, calls));
    // A thread gets its name from the one that has started it, perhaps after its first call.
    eventually([&] { return pool_threads() == static_cast<std::size_t>(width); },
               "the threads to have their names");
    held.open.release(calls);
    group.join();
    EXPECT_EQ(held.most.load(), width);
    EXPECT_EQ(held.begun.load(), calls);
  });
  eventually([] { return pool_threads() == 0; }, "the pool's threads to be gone");
}

TEST_CASE("file_pool: one call needs one thread, again and again") {
  run_on_each([] {
    for (int i = 0; i < 100; ++i) EXPECT_EQ(call_at_once(opcode::read), 42);
    EXPECT(pool_threads() <= 1);
  });
}

TEST_CASE("file_pool: a sync does not wait for transfers, nor they for it") {
  run_on_each([] {
    held_call held;
    fiber_group group;
    const int transfers = lane_width() + 1;
    for (int i = 0; i < transfers; ++i) group.go([&] { EXPECT_EQ(call(held, 1), 1); });
    eventually([&] { return held.begun == transfers - 1; }, "the lane to be full");
    EXPECT_EQ(call_at_once(opcode::sync), 42);
    held.open.release(transfers);
    group.join();
    held_call syncs;
    const int all = static_cast<int>(file_pool::sync_threads_max) + 1;
    for (int i = 0; i < all; ++i) {
      group.go([&] { EXPECT_EQ(call(syncs, 2, nullptr, opcode::sync), 2); });
    }
    eventually([&] { return syncs.begun >= 1; }, "a sync to begin");
    EXPECT_EQ(call_at_once(opcode::write), 42);
    syncs.open.release(all);
    group.join();
  });
}

TEST_CASE("file_pool: what is queued is given up at once, what runs is not") {
  run_on_each([] {
    held_call held;
    const int width = lane_width();
    auto [ctx, cancel] = ringo::with_cancel(ringo::background());
    cancellation* const stop = cancellation_of(ctx);
    std::atomic<int> given_up{0};
    fiber_group running;
    for (int i = 0; i < width; ++i) {
      running.go([&held, stop, ctx = ctx] { EXPECT_EQ(call(held, 7, stop), 7); });
    }
    eventually([&] { return held.begun == width; }, "the lane to be full");
    fiber_group queued;
    for (int i = 0; i < 20; ++i) {
      queued.go([&held, &given_up, stop, ctx = ctx] {
        EXPECT_EQ(call(held, 8, stop), -ECANCELED);
        ++given_up;
      });
    }
    wait_until_parked(static_cast<std::size_t>(width) + 20);
    cancel();
    queued.join();
    EXPECT_EQ(given_up.load(), 20);
    EXPECT_EQ(held.under_way.load(), width);
    held.open.release(width);
    running.join();
    EXPECT_EQ(held.begun.load(), width);
  });
}

// Cancels meet operations that are queued, about to be taken, running, and just over.
TEST_CASE("file_pool: a storm of cancels loses nobody, and success counts") {
  run_on_each([] {
    for (std::size_t round = 0; round < sizes::pick<std::size_t>(300, 100, 50); ++round) {
      auto [ctx, cancel] = ringo::with_cancel(ringo::background());
      cancellation* const stop = cancellation_of(ctx);
      std::atomic<int> made{0};
      std::atomic<int> seen{0};
      fiber_group group;
      for (int i = 0; i < 12; ++i) {
        group.go([&, stop, ctx = ctx] {
          operation op;
          op.code = opcode::read;
          op.data = &made;
          op.call = [](const operation& self) noexcept -> std::int64_t {
            return ++*static_cast<std::atomic<int>*>(self.data);
          };
          const auto result = wait_for_operation(op, nullptr, stop, io_reason::file, nullptr);
          EXPECT(result > 0 || result == -ECANCELED);
          if (result > 0) ++seen;
        });
      }
      for (std::size_t i = 0; i < round % 5; ++i) ringo::yield();
      cancel();
      group.join();
      EXPECT_EQ(made.load(), seen.load());
    }
  });
}

TEST_CASE("file_pool: closing a slot calls off what is queued there") {
  run_on_each([] {
    held_call held;
    const int width = lane_width();
    fiber_group running;
    for (int i = 0; i < width; ++i) running.go([&held] { EXPECT_EQ(call(held, 7), 7); });
    eventually([&] { return held.begun == width; }, "the lane to be full");
    io_slot slot(poll_entry::reading);
    auto queued = go_until_parked("file", [&] {
      operation op;
      op.code = opcode::write;
      op.call = &held_call::make;
      op.data = &held;
      EXPECT_EQ(wait_for_operation(op, &slot, nullptr, io_reason::file, nullptr), -ECANCELED);
    });
    slot.close();
    queued.wait();
    held.open.release(width);
    running.join();
    slot.retire();
  });
}

TEST_CASE("file_pool: the end of a run waits for what runs, and for its threads") {
  for_each_worker_count([](std::size_t workers) {
    held_call held;
    std::atomic<int> returned{0};
    run_on(
        workers,
        [&] {
          const int width = lane_width();
          for (int i = 0; i < width + 10; ++i) {
            ringo::go([&] {
              static_cast<void>(call(held, 1));
              ++returned;
            });
          }
          eventually([&] { return held.begun == width; }, "the lane to be full");
          wait_until_parked(static_cast<std::size_t>(width) + 10);
          held.open.release(width + 10);
        },
        leftovers::allowed);
    CHECK(held.under_way == 0);
    eventually([] { return pool_threads() == 0; }, "the pool's threads to be gone");
    run_on(workers, [] { EXPECT_EQ(call_at_once(opcode::read), 42); });
  });
}

// The calls come back in the middle of another run, and wake nobody there. What was queued is gone.
TEST_CASE("file_pool: calls that do not end are abandoned, and their fibers with them") {
  for_each_worker_count([](std::size_t workers) {
    static held_call held;  // outlives what is abandoned
    held.begun = 0;
    static std::atomic<int> went_on{0};
    static std::atomic<int> width{0};
    ringo::options options;
    options.workers = static_cast<int>(workers);
    options.exit_grace = 10ms;
    ringo::run(options, [] {
      width = lane_width();
      for (int i = 0; i < width + 3; ++i) {
        ringo::go({.name = "stuck"}, [] {
          static_cast<void>(call(held, 1));
          ++went_on;
        });
      }
      eventually([] { return held.begun == width; }, "the lane to be full");
      wait_until_parked(static_cast<std::size_t>(width) + 3);
    });
    CHECK(held.under_way == width);
    run_on(workers, [] {
      held.open.release(width);
      eventually([] { return held.under_way == 0; }, "the calls to end");
      EXPECT_EQ(call_at_once(opcode::read), 42);
      let_others_run();
    });
    CHECK(held.begun == width);
    CHECK(went_on == 0);
  });
}
