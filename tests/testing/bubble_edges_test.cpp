#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>

#include <ringo/ringo.hpp>
#include <ringo/testing/bubble.hpp>

#include "sched/bubble.hpp"

#include "support/expect.hpp"
#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/run_program.hpp"
#include "support/virtual_time.hpp"

namespace {

using namespace std::chrono_literals;
using ringo::test::for_each_worker_count;
using ringo::test::run_in_bubble_on;
using ringo::test::run_in_bubble_on_each;
using ringo::test::run_on_each;
using ringo::testing::bubble;
using real_clock = std::chrono::steady_clock;

}  // namespace

TEST_CASE("DG-18: a join of a fiber from outside holds the clock") {
  run_on_each([] {
    std::atomic<bool> let_go{false};
    const auto yield_and_end = [&] {
      for (int i = 0; i < 200; ++i) ringo::yield();
      let_go = true;
    };
    auto other = ringo::spawn(yield_and_end);
    bubble([&] {
      auto sleeper = ringo::spawn([&] {
        ringo::sleep_for(1h);
        EXPECT(let_go);
      });
      other.join();
      sleeper.join();
    });
    let_go = false;
    auto another = ringo::spawn(yield_and_end);
    bubble([&] {
      const auto [ctx, cancel] = ringo::with_timeout(ringo::background(), 1h);
      EXPECT_EQ(another.join(ctx), std::error_code{});
      EXPECT(let_go);
    });
  });
}

TEST_CASE("DG-18: a context of another bubble holds the clock") {
  run_on_each([] {
    auto shared = std::make_shared<ringo::context>();
    ringo::wait_group made;
    made.add();
    auto other = ringo::spawn([&made, shared] {
      bubble([&made, shared] {
        const auto derived = ringo::with_cancel(ringo::background());
        *shared = derived.ctx;
        ringo::blocking([&] { made.done(); });
        for (int i = 0; i < 200; ++i) ringo::yield();
        derived.cancel();
      });
    });
    made.wait();
    bubble([shared] {
      auto sleeper = ringo::spawn([shared] {
        ringo::sleep_for(1h);
        EXPECT(static_cast<bool>(shared->err()));
      });
      EXPECT(ringo::make_chan<int>().recv(*shared).error() == ringo::errc::canceled);
      sleeper.join();
    });
    other.join();
  });
}

TEST_CASE("DG-16: sleep_until a time that has passed does not wait for the others") {
  run_in_bubble_on_each([] {
    std::atomic<int> woken{0};
    const auto [ctx, cancel] = ringo::with_cancel(ringo::background());
    auto one = ringo::spawn([&] {
      ringo::sleep_until(ringo::now());
      ++woken;
    });
    auto other = ringo::spawn([&, ctx = ctx] {
      EXPECT_EQ(ringo::sleep_until(ctx, ringo::now() - 1s), std::error_code{});
      ++woken;
    });
    while (woken != 2) ringo::yield();
    one.join();
    other.join();
  });
}

TEST_CASE("DG-16: after_func that is due at once works inside blocking()") {
  run_in_bubble_on_each([] {
    auto ran = ringo::make_chan<void>();
    ringo::blocking([&] { ringo::after_func(0s, [ran] { ran.send(); }); });
    ran.recv();
  });
}

TEST_CASE("DG-18: a sleep inside blocking() takes real time, wherever the bubble's clock stands") {
  for_each_worker_count([](std::size_t workers) {
    run_in_bubble_on(workers, [workers] {
      ringo::sleep_for(24h);
      const auto start = ringo::now();
      const auto [ctx, cancel] = ringo::with_cancel(ringo::background());
      ringo::blocking([&, ctx = ctx] {
        const auto real_start = real_clock::now();
        ringo::sleep_for(1ms);  // tidy: real time: inside blocking()
        ringo::sleep_until(start + 1ms);
        // With a context it is another worker's timer.
        if (workers > 1) EXPECT_EQ(ringo::sleep_for(ctx, 1ms), std::error_code{});
        EXPECT(real_clock::now() - real_start >= 2ms);
      });
      EXPECT(ringo::now() == start);
    });
  });
}

TEST_CASE("DG-20: a timer from outside that is reset in a bubble keeps real time") {
  run_on_each([] {
    const ringo::timer timer(1h);
    auto ran = ringo::make_chan<void>();
    const auto function = ringo::after_func(1h, [ran] { ran.send(); });
    const ringo::ticker ticker(1h);
    bubble([&] {
      EXPECT(timer.reset(1ms));
      EXPECT(function.reset(1ms));
      ticker.reset(1ms);
      const auto start = ringo::now();
      ticker.channel().recv();
      EXPECT(ringo::now() == start);
    });
    timer.channel().recv();
    ran.recv();
    ticker.channel().recv();
  });
}

TEST_CASE("SY-6: a mutex is handed over to a fiber that starves in a bubble") {
  run_in_bubble_on(1, [] {
    ringo::mutex lock;
    std::atomic<bool> got{false};
    auto greedy = ringo::spawn([&] {
      while (!got) {
        const std::lock_guard guard(lock);
        ringo::yield();
      }
    });
    auto starving = ringo::spawn([&] {
      ringo::yield();
      const std::lock_guard guard(lock);
      got = true;
    });
    greedy.join();
    starving.join();
  });
}

TEST_CASE("bubble: what is late for one bubble does not end the next in its place") {
  // Whoever settles late, after the bubble has ended, is recycled, and
  // begins again: it then finds a bubble without fibers.
  run_on_each([] {
    using ringo::detail::bubble;
    bubble& next = bubble::begin(bubble::reach::fibers_outside);
    next.settle();
    std::atomic<bool> ran{false};
    {
      ringo::detail::prepared_fiber root({}, nullptr);
      root.body().emplace([&] {
        for (int i = 0; i < 10; ++i) ringo::yield();
        ran = true;
        next.root_ends();
      });
      root.join(&next);
      root.start();
    }
    next.await_end();
    EXPECT(ran);
    EXPECT(next.deadlock().empty());
    next.recycle();
  });
}

TEST_CASE("bubble: what is left of after_func when it ends is destroyed") {
  run_on_each([] {
    auto held = std::make_shared<int>(0);
    bubble([held] { ringo::after_func(1h, [held] {}); });
    EXPECT_EQ(held.use_count(), 1);
    ringo::timer kept;
    bubble([&kept, held] { kept = ringo::after_func(1h, [held] {}); });
    kept = {};
    EXPECT_EQ(held.use_count(), 1);
  });
}

// As in Go: "semaphore wake of synctest goroutine from outside bubble".
TEST_CASE("DG-20: to notify a fiber of a bubble from outside is fatal") {
  for (const char* workers : {"1", "2", "8"}) {
    CAPTURE(workers);
    const auto result = ringo::test::run_program({.name = "bubble_fatal", .arguments = {workers}});
    CAPTURE(result.output);
    CHECK(result.exited_with(2));
    CHECK(
        result.printed("fatal error: a fiber of a bubble that waits for others of the bubble was "
                       "woken from outside\n"));
  }
}
