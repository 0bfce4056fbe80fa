#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <set>
#include <string>

#include <ringo/ringo.hpp>
#include <ringo/testing/bubble.hpp>

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

/// What bubble(fn) panics with; the fibers of a bubble that deadlocks are left over.
template <class F>
std::string bubble_panic(std::size_t workers, F fn) {
  std::string text;
  run_on(
      workers, [&] { text = panic_text([&] { bubble(fn); }); }, ringo::test::leftovers::allowed);
  return text;
}

bool starts_with(const std::string& text, const char* beginning) {
  return text.rfind(beginning, 0) == 0;
}

}  // namespace

TEST_CASE("DG-19: a bubble whose fibers are all blocked panics with a list of them") {
  for_each_worker_count([](std::size_t workers) {
    const std::string text = bubble_panic(workers, [] {
      ringo::go({.name = "stuck"}, [channel = ringo::make_chan<int>()] { channel.recv(); });
      ringo::chan<int>{}.recv();
    });
    CAPTURE(text);
    CHECK(starts_with(text, "bubble: all fibers are asleep - deadlock!\n"));
    CHECK(text.find("\"bubble\" [chan receive (nil chan)]: spawned at ") != std::string::npos);
    CHECK(text.find("\"stuck\" [chan receive]: spawned at ") != std::string::npos);
  });
}

TEST_CASE("DG-19: time does not go on for fibers that are left when the function has returned") {
  for_each_worker_count([](std::size_t workers) {
    const std::string text =
        bubble_panic(workers, [] { ringo::go({.name = "sleeper"}, [] { ringo::sleep_for(1h); }); });
    CAPTURE(text);
    CHECK(starts_with(
        text, "bubble: its first fiber has returned, and others are blocked - deadlock!\n"));
    CHECK(text.find("\"sleeper\" [sleep]") != std::string::npos);
  });
}

TEST_CASE("DG-19: a ticker that nobody listens to does not keep a bubble going") {
  for_each_worker_count([](std::size_t workers) {
    const std::string text = bubble_panic(workers, [] {
      const ringo::ticker ticker(1ns);
      const ringo::ticker other(1h);
      const auto one = ringo::after(5min);
      ringo::make_chan<int>().recv();
    });
    CHECK(starts_with(text, "bubble: all fibers are asleep - deadlock!\n"));
  });
}

TEST_CASE("DG-19: a fast ticker that nobody listens to does not slow the clock down") {
  run_in_bubble_on_each([] {
    const ringo::ticker ticker(1ns);
    const auto start = ringo::now();
    ringo::sleep_for(24h);
    EXPECT(*ticker.channel().recv() - start == 1ns);  // the tick that waits
    EXPECT(*ticker.channel().recv() - start == 24h + 1ns);
  });
}

TEST_CASE("DG-19: after a deadlock other bubbles work") {
  for_each_worker_count([](std::size_t workers) {
    std::string text;
    run_on(
        workers,
        [&] {
          text = panic_text([] { bubble([] { ringo::make_chan<int>().recv(); }); });
          for (int i = 0; i < 10; ++i) bubble([] { ringo::sleep_for(1h); });
        },
        ringo::test::leftovers::allowed);
    CHECK(!text.empty());
  });
}

TEST_CASE("DG-20: channels, timers and contexts of a bubble panic when used from outside") {
  run_on_each([] {
    struct escaped_objects {
      ringo::chan<int> channel;
      ringo::timer timer;
      ringo::ticker ticker;
      ringo::cancellable_context context;
    };
    auto escaped = std::make_shared<escaped_objects>();
    bubble([&] {
      escaped->channel = ringo::make_chan<int>(1);
      escaped->timer = ringo::timer(1h);
      escaped->ticker = ringo::ticker(1h);
      escaped->context = ringo::with_timeout(ringo::background(), 1h);
    });
    const auto check_all = [escaped] {
      const std::string channel = "channel of a bubble used from outside";
      EXPECT_EQ(panic_text([&] { escaped->channel.send(1); }), channel);
      EXPECT_EQ(panic_text([&] { escaped->channel.recv(); }), channel);
      EXPECT_EQ(panic_text([&] { escaped->channel.try_send(1); }), channel);
      EXPECT_EQ(panic_text([&] { (void)escaped->channel.try_recv(); }), channel);
      EXPECT_EQ(panic_text([&] { escaped->channel.close(); }), channel);
      EXPECT_EQ(panic_text([&] {
                  ringo::select(ringo::recv(escaped->channel, [](auto) {}),
                                ringo::recv(ringo::after(1s), [](auto) {}));
                }),
                channel);
      EXPECT_EQ(panic_text([&] {
                  ringo::select(ringo::recv(escaped->channel, [](auto) {}), ringo::otherwise);
                }),
                channel);
      EXPECT_EQ(panic_text([&] { (void)escaped->context.ctx.done().recv(); }), channel);
      const std::string timer = "timer of a bubble used from outside";
      EXPECT_EQ(panic_text([&] { (void)escaped->timer.stop(); }), timer);
      EXPECT_EQ(panic_text([&] { (void)escaped->timer.reset(1h); }), timer);
      EXPECT_EQ(panic_text([&] { escaped->ticker.stop(); }), timer);
      EXPECT_EQ(panic_text([&] { escaped->context.cancel(); }),
                std::string("context of a bubble used from outside"));
    };
    check_all();
    bubble(check_all);
    ringo::test::thread_group threads;
    threads.start(check_all);
    threads.join();
    escaped.reset();  // letting them go is allowed
  });
}

TEST_CASE("DG-20: a wait_group belongs to the bubble that has raised it from zero") {
  run_on_each([] {
    ringo::wait_group group;
    const std::string text = "wait_group of a bubble used from outside";
    bubble([&] {
      group.add(2);
      group.done();
    });
    EXPECT_EQ(panic_text([&] { group.add(); }), text);
    EXPECT_EQ(panic_text([&] { group.done(); }), text);
    EXPECT_EQ(panic_text([&] { group.wait(); }), text);

    ringo::wait_group outside;
    outside.add();
    bubble([&] { outside.done(); });  // that of the world is everybody's
    outside.wait();
    bubble([&] {
      outside.add();
      outside.done();
    });
    outside.wait();  // at zero it is nobody's
    outside.add();
    outside.done();
  });
}

TEST_CASE("DG-18: a wait_group that was raised outside holds the clock") {
  run_on_each([] {
    ringo::wait_group group;
    group.add();
    std::atomic<bool> done{false};
    auto other = ringo::spawn([&] {
      for (int i = 0; i < 200; ++i) ringo::yield();
      done = true;
      group.done();
    });
    bubble([&] {
      auto sleeper = ringo::spawn([&] {
        ringo::sleep_for(1h);
        EXPECT(done);
      });
      group.wait();
      sleeper.join();
    });
    other.join();
  });
}

TEST_CASE("DG-20: after_func that a bubble has left behind never runs") {
  run_on_each([] {
    auto ran = std::make_shared<std::atomic<bool>>(false);
    bubble([ran] { ringo::after_func(1h, [ran] { *ran = true; }); });
    bubble([] { ringo::sleep_for(24h); });
    EXPECT(!*ran);
  });
}

TEST_CASE("DG-21: what is due at one time happens in no fixed order") {
  for_each_worker_count([](std::size_t workers) {
    std::set<std::string> orders;
    run_on(workers, [&] {
      for (int round = 0; round < 200 && orders.size() < 2; ++round) {
        std::string order;
        bubble([&order] {
          auto woken = ringo::make_chan<char>(4);
          for (const char name : {'a', 'b', 'c', 'd'}) {
            ringo::go([woken, name] {
              ringo::sleep_for(1h);
              woken.send(name);
            });
          }
          for (int i = 0; i < 4; ++i) order += woken.recv().value_or('?');
        });
        orders.insert(order);
      }
    });
    CHECK(orders.size() >= 2);
  });
}

TEST_CASE("DG-18: a semaphore of the bubble does not hold the clock, one from outside does") {
  run_on_each([] {
    bubble([] {
      ringo::semaphore tokens(1);
      tokens.acquire();
      const auto start = ringo::now();
      auto waiter = ringo::spawn([&] {
        tokens.acquire();
        return ringo::now() - start;
      });
      const auto given_up = ringo::with_timeout(ringo::background(), 30min);
      EXPECT(tokens.acquire(given_up.ctx) == ringo::errc::deadline_exceeded);
      ringo::sleep_for(30min);
      tokens.release();
      EXPECT(waiter.join() == 1h);
    });

    ringo::semaphore outside(1);
    outside.acquire();
    std::atomic<bool> released{false};
    auto other = ringo::spawn([&] {
      for (int i = 0; i < 200; ++i) ringo::yield();
      released = true;
      outside.release();
    });
    bubble([&] {
      auto sleeper = ringo::spawn([&] {
        ringo::sleep_for(1h);
        EXPECT(released);
      });
      outside.acquire();
      sleeper.join();
    });
    other.join();
  });
}

TEST_CASE("DG-20: a semaphore of a bubble panics when used from outside") {
  run_on_each([] {
    std::unique_ptr<ringo::semaphore> escaped;
    bubble([&] { escaped = std::make_unique<ringo::semaphore>(1); });
    const std::string text = "semaphore of a bubble used from outside";
    EXPECT_EQ(panic_text([&] { escaped->acquire(); }), text);
    EXPECT_EQ(panic_text([&] { (void)escaped->try_acquire(); }), text);
    EXPECT_EQ(panic_text([&] { escaped->release(); }), text);
    EXPECT_EQ(panic_text([&] { (void)escaped->acquire(ringo::background()); }), text);
  });
}
