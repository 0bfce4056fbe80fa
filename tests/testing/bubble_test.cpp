#include <ringo/testing/bubble.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <ringo/ringo.hpp>

#include "support/expect.hpp"
#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"
#include "support/virtual_time.hpp"

namespace {

using namespace std::chrono_literals;
using ringo::test::for_each_worker_count;
using ringo::test::panic_text;
using ringo::test::run_in_bubble_on_each;
using ringo::test::run_on;
using ringo::test::run_on_each;
using ringo::testing::bubble;
using real_clock = std::chrono::steady_clock;

}  // namespace

TEST_CASE("DG-16: time moves by what is slept, and no real time passes") {
  const auto real_start = real_clock::now();
  run_in_bubble_on_each([&] {
    const auto start = ringo::now();
    EXPECT(start - real_start < 1min);
    EXPECT(start >= real_start);
    ringo::sleep_for(24h);
    EXPECT_EQ((ringo::now() - start).count(), std::chrono::nanoseconds(24h).count());
    ringo::sleep_until(start + 25h);
    EXPECT_EQ((ringo::now() - start).count(), std::chrono::nanoseconds(25h).count());
  });
  CHECK(real_clock::now() - real_start < 1h);
}

TEST_CASE("DG-16: time stands still while a fiber runs") {
  run_in_bubble_on_each([] {
    const auto start = ringo::now();
    auto sleeper = ringo::spawn([] { ringo::sleep_for(1ns); });
    for (int i = 0; i < 100; ++i) ringo::yield();
    EXPECT_EQ((ringo::now() - start).count(), 0);
    sleeper.join();
  });
}

TEST_CASE("DG-16: sleepers wake in the order of their times") {
  run_in_bubble_on_each([] {
    auto done = ringo::make_chan<int>(8);
    for (int i = 8; i > 0; --i) {
      ringo::go([done, i] {
        ringo::sleep_for(std::chrono::hours(i));
        done.send(i);
      });
    }
    for (int i = 1; i <= 8; ++i) EXPECT_EQ(done.recv().value_or(0), i);
  });
}

TEST_CASE("DG-16: timers, tickers, after, after_func and deadlines follow the bubble's clock") {
  run_in_bubble_on_each([] {
    const auto start = ringo::now();
    const auto since = [start] { return ringo::now() - start; };
    EXPECT(*ringo::after(1h).recv() - start == 1h);
    EXPECT(since() == 1h);

    const ringo::timer timer(2h);
    EXPECT(*timer.channel().recv() - start == 3h);
    EXPECT(!timer.reset(1h));
    EXPECT(timer.stop());

    const ringo::ticker ticker(10min);
    for (int i = 1; i <= 6; ++i) EXPECT(*ticker.channel().recv() - start == 3h + i * 10min);
    ticker.stop();

    auto ran = ringo::make_chan<void>();
    ringo::after_func(1h, [ran] { ran.send(); });
    ran.recv();
    EXPECT(since() == 5h);

    const auto [ctx, cancel] = ringo::with_timeout(ringo::background(), 1h);
    EXPECT_EQ(ringo::sleep_for(ctx, 30min), std::error_code{});
    EXPECT(!ctx.err());
    EXPECT(ringo::sleep_for(ctx, 2h) == ringo::errc::deadline_exceeded);
    EXPECT(since() == 6h);
    auto never = ringo::make_chan<int>();
    EXPECT(never.recv(ctx).error() == ringo::errc::deadline_exceeded);
  });
}

TEST_CASE("DG-16: what is due already fires without waiting for the others") {
  run_in_bubble_on_each([] {
    auto now = ringo::after(0s);
    EXPECT(static_cast<bool>(now.try_recv()));
    auto ran = std::make_shared<std::atomic<bool>>(false);
    ringo::after_func(-1s, [ran] { *ran = true; });
    while (!*ran) ringo::yield();
  });
}

TEST_CASE("DG-16: a select with a timeout takes it when nothing else can happen") {
  run_in_bubble_on_each([] {
    auto quiet = ringo::make_chan<int>();
    std::optional<int> value;
    const auto start = ringo::now();
    const auto taken =
        ringo::select(ringo::recv(quiet, value), ringo::recv(ringo::after(5s), [](auto) {}));
    EXPECT_EQ(taken, 1U);
    EXPECT(ringo::now() - start == 5s);
  });
}

TEST_CASE("DG-16: fibers of the bubble start fibers of the bubble") {
  run_in_bubble_on_each([] {
    const auto start = ringo::now();
    auto task = ringo::spawn([start] {
      return ringo::spawn([start] {
               ringo::sleep_for(1h);
               return ringo::now() - start;
             })
          .join();
    });
    EXPECT(task.join() == 1h);
  });
}

TEST_CASE("bubble: returns what the function returns, and rethrows what it throws") {
  for_each_worker_count([](std::size_t workers) {
    int returned = 0;
    bool caught = false;
    run_on(workers, [&] {
      returned = bubble([] { return 7; });
      try {
        bubble([] { throw std::runtime_error("out"); });
      } catch (const std::runtime_error& error) {
        caught = std::string(error.what()) == "out";
      }
    });
    CHECK(returned == 7);
    CHECK(caught);
  });
}

TEST_CASE(
    "bubble: starts a runtime when there is none, and works from a plain thread when there is") {
  CHECK(bubble([] {
          ringo::sleep_for(1h);
          return 3;
        }) == 3);
  run_on_each([] {
    std::atomic<bool> slept{false};
    ringo::test::thread_group threads;
    threads.start([&] {
      bubble([] { ringo::sleep_for(1h); });
      slept = true;
    });
    threads.join();
    EXPECT(slept);
  });
}

TEST_CASE("bubble: ends when its last fiber has ended") {
  run_on_each([] {
    auto ended = std::make_shared<std::atomic<int>>(0);
    bubble([ended] {
      for (int i = 0; i < 10; ++i) {
        ringo::go([ended] {
          for (int j = 0; j < 10; ++j) ringo::yield();
          ++*ended;
        });
      }
    });
    EXPECT_EQ(ended->load(), 10);
  });
}

TEST_CASE("bubble: many at a time have clocks of their own") {
  run_on_each([] {
    ringo::test::fiber_group group;
    for (int i = 1; i <= 20; ++i) {
      group.go([i] {
        bubble([i] {
          const auto start = ringo::now();
          ringo::sleep_for(std::chrono::minutes(i));
          EXPECT(ringo::now() - start == std::chrono::minutes(i));
        });
      });
    }
    group.join();
  });
}

TEST_CASE("bubble: inside of another one panics") {
  run_in_bubble_on_each([] {
    EXPECT_EQ(panic_text([] { bubble([] {}); }), std::string("bubble: inside of another one"));
  });
}

TEST_CASE("DG-17: wait returns when all others are blocked, and shows what they did") {
  run_in_bubble_on_each([] {
    for (int round = 0; round < 100; ++round) {
      int value = 0;  // no atomic: wait() orders it
      auto go_on = ringo::make_chan<void>();
      ringo::go([&value, go_on] {
        for (int i = 0; i < 3; ++i) ringo::yield();
        value = 1;
        go_on.recv();
        value = 2;
      });
      ringo::testing::wait();
      EXPECT_EQ(value, 1);
      go_on.send();
      ringo::testing::wait();
      EXPECT_EQ(value, 2);
    }
  });
}

TEST_CASE("DG-17: wait does not let time pass") {
  run_in_bubble_on_each([] {
    const auto start = ringo::now();
    ringo::go([] { ringo::sleep_for(1h); });
    ringo::testing::wait();
    EXPECT(ringo::now() == start);
    ringo::sleep_for(1h);
    ringo::testing::wait();  // the other has woken at the same time, and ends first
  });
}

TEST_CASE("DG-17: wait returns at once when there is nobody else, and again and again") {
  run_in_bubble_on_each([] {
    for (int i = 0; i < 100; ++i) ringo::testing::wait();
  });
}

TEST_CASE("DG-17: wait panics outside of a bubble, and when another fiber waits") {
  run_on_each([] {
    EXPECT_EQ(panic_text([] { ringo::testing::wait(); }),
              std::string("testing::wait: outside of a bubble"));
    bubble([] {
      auto task = ringo::spawn([] { return panic_text([] { ringo::testing::wait(); }); });
      const std::string mine = panic_text([] { ringo::testing::wait(); });
      const std::string other = task.join();
      // Both, one after the other, or the second one panics.
      EXPECT(mine.empty() || other.empty());
      if (!mine.empty()) EXPECT_EQ(mine, std::string("testing::wait: already in progress"));
      if (!other.empty()) EXPECT_EQ(other, std::string("testing::wait: already in progress"));
    });
  });
}

TEST_CASE(
    "DG-18: waits on channels, selects, conditions, groups, tasks and nil channels are durable") {
  run_in_bubble_on_each([] {
    const auto hour_passes = [] {
      const auto start = ringo::now();
      ringo::sleep_for(1h);
      EXPECT(ringo::now() - start == 1h);
    };
    auto channel = ringo::make_chan<int>();
    ringo::test::fiber_group group;
    ringo::mutex lock;
    ringo::condition_variable condition;
    bool ready = false;
    ringo::wait_group working;
    working.add();
    auto slow = ringo::spawn([] { ringo::sleep_for(2h); });

    group.go([&] { channel.recv(); });
    group.go([&] {
      ringo::select(ringo::recv(channel, [](auto) {}), ringo::recv(ringo::after(3h), [](auto) {}));
    });
    group.go([&] {
      std::unique_lock guard(lock);
      condition.wait(guard, [&] { return ready; });
    });
    group.go([&] { working.wait(); });
    group.go([&] { slow.join(); });
    group.go([&] {
      ringo::chan<int> nil;
      const auto [ctx, cancel] = ringo::with_timeout(ringo::background(), 90min);
      EXPECT(nil.recv(ctx).error() == ringo::errc::deadline_exceeded);
    });
    hour_passes();
    channel.send(1);
    channel.close();
    {
      const std::lock_guard guard(lock);
      ready = true;
    }
    condition.notify_one();
    working.done();
    group.join();
  });
}

TEST_CASE("DG-18: a mutex, a channel from outside and blocking() hold the clock") {
  run_on_each([] {
    // Each holds the clock until something outside lets go; a clock that moved would have shown.
    ringo::mutex lock;
    auto outside = ringo::make_chan<int>();
    lock.lock();
    std::atomic<bool> let_go{false};
    auto other = ringo::spawn([&] {
      for (int i = 0; i < 200; ++i) ringo::yield();
      let_go = true;
      outside.send(1);
      lock.unlock();
    });
    bubble([&] {
      ringo::test::fiber_group group;
      group.go([&] {
        ringo::sleep_for(1h);
        EXPECT(let_go);
      });
      group.go([&] {
        const std::lock_guard guard(lock);
        EXPECT(let_go);
      });
      EXPECT_EQ(outside.recv().value_or(0), 1);
      group.join();
    });
    other.join();

    bubble([] {
      const auto start = ringo::now();
      auto sleeper = ringo::spawn([] { ringo::sleep_for(1h); });
      ringo::blocking([&] {
        std::this_thread::yield();
        EXPECT(ringo::now() == start);
      });
      EXPECT(ringo::now() == start);
      sleeper.join();
    });
  });
}

// The thread knows no virtual time: it once slept until the real clock was where the bubble's is.
TEST_CASE("DG-18: a sleep inside blocking() takes real time, and holds the clock") {
  run_in_bubble_on_each([] {
    ringo::sleep_for(24h);
    const auto start = ringo::now();
    ringo::blocking([&] {
      const auto real_start = real_clock::now();
      ringo::sleep_for(1ms);
      ringo::sleep_until(ringo::now() + 1ms);
      ringo::sleep_until(ringo::now());
      ringo::sleep_until(ringo::now() - 1h);
      EXPECT(real_clock::now() - real_start >= 2ms);
      EXPECT(ringo::now() == start);
    });
    EXPECT(ringo::now() == start);
  });
}

// Virtual time stands still for who waits for a lock: by that clock nobody would ever have waited
// long enough to be handed it, and the greedy one went on for ever.
TEST_CASE("DG-18: a lock is handed to who waits, although another takes it again and again") {
  run_in_bubble_on_each([] {
    ringo::mutex lock;
    std::atomic<bool> taken{false};
    ringo::test::fiber_group group;
    lock.lock();
    group.go([&] {
      const std::lock_guard guard(lock);
      taken = true;
    });
    while (!taken) {
      ringo::yield();
      lock.unlock();
      lock.lock();
    }
    lock.unlock();
    group.join();
  });
}

TEST_CASE("DG-18: a select with one channel from outside holds the clock") {
  run_on_each([] {
    auto outside = ringo::make_chan<int>();
    std::atomic<bool> sent{false};
    auto other = ringo::spawn([&] {
      for (int i = 0; i < 200; ++i) ringo::yield();
      sent = true;
      outside.send(1);
    });
    bubble([&] {
      auto inside = ringo::make_chan<int>();
      auto sleeper = ringo::spawn([&] {
        ringo::sleep_for(1h);
        EXPECT(sent);
      });
      ringo::select(ringo::recv(inside, [](auto) {}), ringo::recv(outside, [](auto) {}));
      sleeper.join();
    });
    other.join();
  });
}

TEST_CASE("DG-18: a context from outside holds the clock; one of the bubble does not") {
  run_on_each([] {
    const auto [outside, cancel] = ringo::with_cancel(ringo::background());
    std::atomic<bool> cancelled{false};
    auto other = ringo::spawn([&, cancel = cancel] {
      for (int i = 0; i < 200; ++i) ringo::yield();
      cancelled = true;
      cancel();
    });
    bubble([&, outside = outside] {
      auto sleeper = ringo::spawn([&] {
        ringo::sleep_for(1h);
        EXPECT(cancelled);
      });
      auto quiet = ringo::make_chan<int>();
      const auto child = ringo::with_timeout(outside, 2h);
      EXPECT(quiet.recv(child.ctx).error() == ringo::errc::canceled);
      sleeper.join();
    });
    other.join();
  });
}

TEST_CASE("bubble: goexit of the first fiber is reported, and of others is an end like any") {
  run_on_each([] {
    bubble([] { ringo::spawn([] { ringo::go([] { ringo::goexit(); }); }).join(); });
    EXPECT_EQ(panic_text([] { bubble([] { ringo::goexit(); }); }),
              std::string("bubble: its first fiber has called goexit"));
  });
}

TEST_CASE("bubble: fibers that wake each other and sleep at random lose no wake-up") {
  for_each_worker_count([](std::size_t workers) {
    run_on(workers, [] {
      for (int round = 0; round < 20; ++round) {
        bubble([] {
          auto numbers = ringo::make_chan<int>(2);
          const auto start = ringo::now();
          constexpr int fibers = 16;
          constexpr int each = 20;
          for (int i = 0; i < fibers; ++i) {
            ringo::go([numbers, i] {
              for (int j = 0; j < each; ++j) {
                ringo::sleep_for(std::chrono::seconds((i * 7 + j * 3) % 5));
                numbers.send(1);
              }
            });
          }
          int sum = 0;
          for (int i = 0; i < fibers * each; ++i) sum += numbers.recv().value_or(0);
          EXPECT_EQ(sum, fibers * each);
          EXPECT(ringo::now() - start <= std::chrono::seconds(4 * each));
        });
      }
    });
  });
}
