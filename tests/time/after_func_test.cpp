// after_func: timers that start a fiber.

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/select.hpp>
#include <ringo/sync/wait_group.hpp>
#include <ringo/time/after.hpp>
#include <ringo/time/timer.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/threads.hpp"
#include "support/timers.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::after_func;
using ringo::make_chan;
using ringo::timer;
using std::chrono::nanoseconds;

namespace {

// clang-format off
//                                                       plain    asan   tsan
constexpr auto chain_length = sizes::pick<std::size_t>(100,     50,    20);
constexpr auto race_rounds  = sizes::pick<std::size_t>(5'000,   1'000, 300);
// clang-format on

}  // namespace

TEST_CASE("TM-13: the function runs once, in a fiber of its own") {
  run_on_each([] {
    auto ids = make_chan<std::uint64_t>();
    const timer t = after_func(100us, [=] { ids.send(ringo::this_fiber::id()); });
    EXPECT(!t.channel());
    EXPECT(*ids.recv() != ringo::this_fiber::id());
    EXPECT(!t.stop());
    EXPECT(!ids.try_recv());
  });
}

TEST_CASE("TM-13: a slow function delays no other") {
  run_on_each([] {
    auto gate = make_chan<void>();
    const timer slow = after_func(0s, [=] { gate.recv(); });
    auto done = make_chan<void>();
    std::function<void(int)> chain = [&](int left) {
      if (left == 0) return done.close();
      after_func(0s, [&chain, left] { chain(left - 1); });
    };
    chain(static_cast<int>(chain_length));
    done.recv();
    EXPECT(!slow.stop());  // started, and stop does not wait for it
    gate.close();
  });
}

TEST_CASE("TM-13: stop is true if the function will not start") {
  run_on_each([] {
    std::atomic<bool> ran{false};
    const timer t = after_func(1h, [&] { ran = true; });
    EXPECT(timers_pending());
    EXPECT(t.stop());
    EXPECT(!timers_pending());
    EXPECT(!t.stop());
    let_others_run();
    EXPECT(!ran);
    const timer forever = after_func(nanoseconds::max(), [&] { ran = true; });
    EXPECT(!timers_pending());
    EXPECT(forever.stop());
    EXPECT(!forever.stop());
  });
}

TEST_CASE("TM-13: reset may run the function while it still runs") {
  run_on_each([] {
    auto started = make_chan<void>();
    auto gate = make_chan<void>();
    const timer t = after_func(1h, [=] {
      started.send();
      gate.recv();
    });
    EXPECT(t.reset(1us));
    started.recv();
    EXPECT(!t.reset(0s));
    started.recv();
    EXPECT(!t.reset(-1s));
    started.recv();
    EXPECT(!t.reset(1h));
    EXPECT(t.reset(nanoseconds::max()));
    EXPECT(t.reset(1h));
    EXPECT(t.stop());
    gate.close();
  });
}

TEST_CASE("TM-13: dropping the handle changes nothing, and the function is freed after its run") {
  run_on_each([] {
    auto done = make_chan<void>();
    auto alive = std::make_shared<int>(1);
    const std::weak_ptr<int> watch = alive;
    after_func(200us, [done, alive] { done.send(); });
    alive.reset();
    EXPECT(!watch.expired());
    done.recv();
    eventually([&] { return watch.expired(); }, "the function to be freed");

    // With a handle it is kept for a reset.
    timer t = after_func(0s, [done, kept = std::make_shared<int>(1)] { done.send(); });
    for (int i = 0; i < 3; ++i) {
      done.recv();
      t.reset(0s);
    }
    done.recv();
    t = {};

    auto stopped = std::make_shared<int>(1);
    const std::weak_ptr<int> of_stopped = stopped;
    t = after_func(1h, [held = std::move(stopped)] {});
    EXPECT(t.stop());
    EXPECT(!of_stopped.expired());
    t = {};
    EXPECT(of_stopped.expired());

    auto never = std::make_shared<int>(1);
    const std::weak_ptr<int> of_never = never;
    after_func(nanoseconds::max(), [held = std::move(never)] {});
    EXPECT(of_never.expired());  // nothing can start it any more
  });
}

TEST_CASE("after_func: takes what can be called, but no nil function") {
  run_on_each([] {
    static std::atomic<int> calls;
    calls = 0;
    after_func(
        0s, +[] { ++calls; });
    after_func(0s, std::function<void()>([] { ++calls; }));
    after_func(0s, [unique = std::make_unique<int>(2)]() mutable { calls += *unique; });
    after_func(0s, [padding = std::string(200, 'x'), more = std::array<char, 200>{}] {
      calls += static_cast<int>(padding.size() + more.size()) / 400;
    });
    eventually([] { return calls == 5; }, "all four");
    EXPECT_EQ(panic_text([] { after_func(0s, std::function<void()>()); }), "go of nil func value");
    EXPECT_EQ(panic_text([] { after_func(0s, static_cast<void (*)()>(nullptr)); }),
              "go of nil func value");
  });
}

TEST_CASE("after_func: goexit ends the function's fiber") {
  run_on_each([] {
    auto done = make_chan<void>();
    after_func(0s, [=] {
      const auto signal = std::shared_ptr<void>(nullptr, [=](void*) { done.send(); });
      ringo::goexit();
    });
    done.recv();
  });
}

TEST_CASE("after_func: from plain threads, and made before a run") {
  for_each_worker_count([](std::size_t workers) {
    auto done = make_chan<void>();
    const timer early = after_func(1us, [=] { done.send(); });
    const timer stopped = after_func(1us, [] { EXPECT(false); });
    CHECK(stopped.stop());
    run_on(workers, [&] {
      done.recv();
      thread_group threads;
      threads.start([=] {
        const timer t = after_func(1h, [=] { done.send(); });
        EXPECT(t.reset(100us));
        done.recv();
        EXPECT(!t.stop());
      });
      threads.join();
    });
    CHECK_FALSE(early.stop());
  });
}

TEST_CASE("after_func: one that is active at the end of a run is so in the next") {
  for_each_worker_count([](std::size_t workers) {
    std::atomic<bool> ran{false};
    timer t;
    run_on(workers, [&] { t = after_func(1h, [&] { ran = true; }); });
    run_on(workers, [&] {
      EXPECT(timers_pending());
      EXPECT(t.reset(1us));
      eventually([&] { return ran.load(); }, "the function");
      EXPECT(!t.stop());
    });
  });
}

// Each start ends in a run or in a stop that is true, never in both.
TEST_CASE("after_func: stop and reset race with the start") {
  CAPTURE(seed());
  run_on_each([] {
    std::atomic<std::size_t> runs{0};
    std::size_t stopped = 0;
    auto random = generator(1);
    timer t = after_func(1h, [&] { ++runs; });
    for (std::size_t i = 0; i < race_rounds; ++i) {
      if (t.reset(nanoseconds(random() % 3'000))) ++stopped;
      for (auto spins = random() % 200; spins > 0; --spins) (void)t.channel();
      if (i % 3 == 0) ringo::yield();
    }
    if (t.stop()) ++stopped;
    eventually([&] { return runs + stopped == race_rounds + 1; }, "the functions");
    let_others_run();
    EXPECT_EQ(runs + stopped, race_rounds + 1);
    EXPECT(!timers_pending());
  });
}
