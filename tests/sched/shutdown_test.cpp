// The end of a run: what becomes of fibers that are still alive, and of what they waited for.

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <ringo/blocking.hpp>
#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/select.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/sync/wait_group.hpp>
#include <ringo/task.hpp>
#include <ringo/thread_pin.hpp>
#include <ringo/time/after.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/run_program.hpp"
#include "support/threads.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;

namespace {

constexpr auto busy_ends = sizes::pick<int>(100, 40, 20);

struct sentinel {
  std::atomic<int>* destroyed;
  explicit sentinel(std::atomic<int>& count) : destroyed(&count) {}
  sentinel(const sentinel&) = delete;
  sentinel& operator=(const sentinel&) = delete;
  ~sentinel() { ++*destroyed; }
};

}  // namespace

TEST_CASE(
    "GR-4: when main returns, other fibers never run again and their destructors do not run") {
  static std::atomic<int> destroyed{0};
  static std::atomic<int> went_on{0};
  destroyed = 0;
  went_on = 0;
  for_each_worker_count([](std::size_t workers) {
    auto ch = ringo::make_chan<int>();
    ringo::run({.workers = static_cast<int>(workers)}, [&] {
      for (int i = 0; i < 10; ++i) {
        go_until_parked(parked_in_recv, [ch]() mutable {
          const sentinel guard(destroyed);
          static_cast<void>(ch.recv());
          ++went_on;
        });
      }
    });
    CHECK(ringo::num_fibers() == 0);
    CHECK(destroyed == 0);
    CHECK(went_on == 0);

    // They stand in no queue any more: nobody takes what is sent now.
    CHECK_FALSE(ch.try_send(1));
    ringo::run({.workers = static_cast<int>(workers)}, [&] {
      EXPECT(!ch.try_send(1));
      auto task = ringo::spawn([ch]() mutable { return ch.recv(); });
      ch.send(2);
      EXPECT(task.join() == 2);
    });
    ch.close();
    CHECK(destroyed == 0);
    CHECK(went_on == 0);
  });
}

// The worker must not go on with what is queued behind main until the run's thread comes by.
TEST_CASE("GR-4: on one worker, what has not begun when main returns never begins") {
  static std::atomic<int> begun{0};
  begun = 0;
  for (int i = 0; i < 100; ++i) {
    ringo::run({.workers = 1}, [] {
      for (int k = 0; k < 100; ++k) ringo::go([] { ++begun; });
    });
  }
  CHECK(begun == 0);
}

TEST_CASE("shutdown: everything that fibers may be parked on stays usable") {
  for_each_worker_count([](std::size_t workers) {
    const ringo::options options{.workers = static_cast<int>(workers)};
    auto full = ringo::make_chan<int>(1);
    auto empty = ringo::make_chan<int>();
    ringo::mutex lock;
    ringo::wait_group group;
    ringo::run(options, [&] {
      full.send(1);
      lock.lock();
      group.add(1);
      go_until_parked(parked_in_send, [full]() mutable { full.send(2); });
      go_until_parked(parked_in_select, [full, empty]() mutable {
        ringo::select(ringo::send(full, 3), ringo::recv(empty));
      });
      ringo::go([&lock] { lock.lock(); });
      ringo::go([&group] { group.wait(); });
      ringo::go([] { ringo::sleep_for(1h); });  // tidy: real time: never ends
      ringo::go([] { ringo::select(); });
      ringo::go([] { ringo::chan<int>{}.send(1); });
      ringo::go([] { ringo::select(ringo::recv(ringo::after(1h))); });
      // The joiner's task is never joined.
      ringo::go([] {
        auto task = ringo::spawn([] { ringo::sleep_for(1h); });  // tidy: real time: never ends
        task.join();
      });
      wait_until_parked(10);
    });
    CHECK(full.len() == 1);
    CHECK(full.recv() == 1);
    CHECK_FALSE(static_cast<bool>(full.try_recv()));
    CHECK_FALSE(static_cast<bool>(empty.try_recv()));
    CHECK_FALSE(empty.try_send(1));
    lock.unlock();
    CHECK(lock.try_lock());
    lock.unlock();
    group.done();
    group.wait();
    run_on(workers, [&] {
      const ringo::task<int> unused;
      lock.lock();
      auto task = ringo::spawn([&] {
        lock.lock();
        lock.unlock();
        return 1;
      });
      lock.unlock();
      EXPECT_EQ(task.join(), 1);
    });
  });
}

TEST_CASE("shutdown: fibers that are still runnable, or have not begun, are dropped") {
  run_on_each(
      [] {
        for (int i = 0; i < 1'000; ++i) {
          ringo::go([] {
            for (;;) ringo::yield();
          });
        }
      },
      leftovers::allowed);
  CHECK(ringo::num_fibers() == 0);
}

// Left-over control blocks are used again by later runs; what was a fiber's own must not come
// along.
TEST_CASE("shutdown: a fiber of the next run inherits nothing from one that was left over") {
  for (int round = 0; round < 5; ++round) {
    for_each_worker_count([](std::size_t workers) {
      const ringo::options options{.workers = static_cast<int>(workers)};
      ringo::run(options, [] {
        for (int i = 0; i < 20; ++i) {
          ringo::go({.name = "left over, and with a long name"}, [] {
            const ringo::thread_pin pin;
            ringo::sleep_for(1h);  // tidy: real time: never ends
          });
          ringo::go([] {
            try {
              throw 1;
            } catch (...) {
              ringo::sleep_for(1h);  // tidy: real time: never ends
            }
          });
        }
        wait_until_parked(40);
      });
      ringo::run(options, [] {
        fiber_group fibers;
        for (int i = 0; i < 200; ++i) {
          fibers.go([] {
            EXPECT(ringo::this_fiber::name().empty());
            EXPECT(std::current_exception() == nullptr);
            ringo::yield();
          });
        }
        fibers.join();
      });
    });
  }
}

TEST_CASE("shutdown: a plain thread blocked on a channel outlives the run") {
  run_on_each([] {
    auto ch = ringo::make_chan<int>();
    std::thread thread([ch]() mutable { EXPECT(ch.recv() == 7); });
    ch.send(7);
    thread.join();
  });
  auto ch = ringo::make_chan<int>();
  std::atomic<int> got{0};
  std::thread thread([ch, &got]() mutable { got = ch.recv().value_or(-1); });
  ringo::run([] { ringo::yield(); });
  ch.send(9);
  thread.join();
  CHECK(got == 9);
}

// Plain threads wake fibers at the very moment at which the run ends.
TEST_CASE("shutdown: wake-ups from threads race with the end of the run") {
  for_each_worker_count([](std::size_t workers) {
    for (int round = 0; round < busy_ends; ++round) {
      auto ch = ringo::make_chan<int>();
      std::atomic<bool> over{false};
      std::thread sender([ch, &over]() mutable {
        while (!over) {
          if (!ch.try_send(1)) std::this_thread::yield();
        }
      });
      ringo::run({.workers = static_cast<int>(workers)}, [&] {
        for (int i = 0; i < 8; ++i) {
          ringo::go([ch]() mutable {
            for (;;) static_cast<void>(ch.recv());
          });
        }
        static_cast<void>(ch.recv());
      });
      CHECK_FALSE(static_cast<bool>(ch.try_recv()));
      over = true;
      sender.join();
    }
  });
}

// The end must be noticed by workers in every state: busy, asleep, resting, handing pins and tokens
// over.
TEST_CASE("shutdown: a busy run ends at once") {
  for_each_worker_count([](std::size_t workers) {
    for (int round = 0; round < busy_ends; ++round) {
      ringo::options options{.workers = static_cast<int>(workers)};
      options.exit_grace = 30s;
      const auto start = std::chrono::steady_clock::now();
      std::chrono::steady_clock::time_point end;
      ringo::run(options, [&] {
        auto ch = ringo::make_chan<int>();
        for (int i = 0; i < 4; ++i) {
          ringo::go([ch]() mutable {
            const ringo::thread_pin pin;
            for (;;) static_cast<void>(ch.recv());
          });
          ringo::go([ch]() mutable {
            for (;;) ringo::blocking([&] { static_cast<void>(ch.try_send(1)); }), ringo::yield();
          });
          ringo::go([ch]() mutable {
            for (int n = 0;; ++n) {
              ch.send(n);
              if (n % 8 == 0) ringo::set_workers(1 + n / 8 % 4);
            }
          });
        }
        for (int i = 0; i < round; ++i) static_cast<void>(ch.recv());
        end = std::chrono::steady_clock::now();
      });
      static_cast<void>(start);
      REQUIRE(std::chrono::steady_clock::now() - end < 15s);
    }
  });
}

TEST_CASE("shutdown: a thread that stays in user code is abandoned after exit_grace, and named") {
  for (const char* const workers : {"1", "2", "8"}) {
    CAPTURE(workers);
    const auto result = run_program({.name = "exit_grace",
                                     .arguments = {"abandon"},
                                     .environment = {std::string("RINGO_MAXPROCS=") + workers}});
    CAPTURE(result.output);
    CHECK(result.exited_with(0));
    CHECK(result.printed("run returned 5"));
    CHECK(result.printed("abandoned"));
    CHECK(result.printed("\"stuck\""));
    CHECK(result.printed("spawned at"));
    CHECK(result.printed("run again returned 6"));
    // It came back after the end, and must touch nothing.
    CHECK(result.printed("system call over"));
    CHECK_FALSE(result.printed("touched"));
  }
}

TEST_CASE("shutdown: what an abandoned fiber waits for counts in no later run") {
  for (const char* const workers : {"2", "8"}) {
    CAPTURE(workers);
    const auto result = run_program({.name = "exit_grace",
                                     .arguments = {"late_read"},
                                     .environment = {std::string("RINGO_MAXPROCS=") + workers}});
    CAPTURE(result.output);
    CHECK(result.printed("abandoned"));
    CHECK(result.printed("read 1\nand now for ever\n"));
    CHECK(result.printed("all fibers are asleep"));
    CHECK_FALSE(result.printed("touched"));
  }
}

TEST_CASE("shutdown: a thread that comes back within exit_grace is waited for") {
  for (const char* const workers : {"1", "2", "8"}) {
    CAPTURE(workers);
    const auto result = run_program({.name = "exit_grace",
                                     .arguments = {"in_time"},
                                     .environment = {std::string("RINGO_MAXPROCS=") + workers}});
    CAPTURE(result.output);
    CHECK(result.exited_with(0));
    CHECK(result.printed("system call over"));
    CHECK_FALSE(result.printed("abandoned"));
    CHECK_FALSE(result.printed("touched"));
  }
}
