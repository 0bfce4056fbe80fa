// after(): channels that are fed by a timer.

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <thread>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/select.hpp>
#include <ringo/task.hpp>
#include <ringo/time/after.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/threads.hpp"
#include "support/timers.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::after;
using ringo::make_chan;
using clock_type = std::chrono::steady_clock;
using time_point = clock_type::time_point;

namespace {

// clang-format off
//                                                          plain    asan    tsan
constexpr auto dropped_timers  = sizes::pick<std::size_t>(100'000, 20'000, 5'000);
constexpr auto race_rounds     = sizes::pick<std::size_t>(20'000,  3'000,  1'000);
constexpr auto many_timers     = sizes::pick<std::size_t>(2'000,   1'000,  300);
// clang-format on

}  // namespace

TEST_CASE("after: sends the time once, and not too early") {
  run_on_each([] {
    for (const std::chrono::nanoseconds delay : {1ns, 1'000ns, 500'000ns, 2'000'000ns}) {
      const auto begin = clock_type::now();
      const auto ch = after(delay);
      EXPECT_EQ(ch.cap(), std::size_t{0});
      const std::optional<time_point> fired = ch.recv();
      EXPECT(fired.has_value());
      EXPECT(*fired >= begin + delay);
      EXPECT(clock_type::now() >= *fired);
      const auto again = ch.try_recv();
      EXPECT(!again);
      EXPECT(!again.closed());
    }
    EXPECT(!timers_pending());
  });
}

TEST_CASE("after: delays that are not positive are over at once") {
  run_on_each([] {
    for (const std::chrono::nanoseconds delay : {0ns, -1ns, std::chrono::nanoseconds::min()}) {
      EXPECT(after(delay).recv().has_value());
    }
    EXPECT(after(std::chrono::hours::min()).recv().has_value());
    EXPECT(after(std::chrono::duration<double>(-0.5)).recv().has_value());
  });
}

TEST_CASE("after: the longest delays never fire and cost no timer") {
  run_on_each([] {
    const auto forever = after(std::chrono::nanoseconds::max());
    const auto as_long = after(std::chrono::hours::max());
    EXPECT(!timers_pending());
    const std::size_t index =
        ringo::select(ringo::recv(forever), ringo::recv(as_long), ringo::recv(after(1ms)));
    EXPECT_EQ(index, std::size_t{2});
    EXPECT(!forever.try_recv());
  });
}

TEST_CASE("after: limits a select") {
  run_on_each([] {
    auto silent = make_chan<int>();
    std::optional<int> value;
    EXPECT_EQ(ringo::select(ringo::recv(silent, value), ringo::recv(after(1ms))), std::size_t{1});
    EXPECT_EQ(ringo::select(ringo::send(silent, 1), ringo::recv(after(1ms))), std::size_t{1});
    const auto sender = go_until_parked(parked_in_send, [=] { silent.send(5); });
    EXPECT_EQ(ringo::select(ringo::recv(silent, value), ringo::recv(after(1h))), std::size_t{0});
    EXPECT_EQ(value, std::optional<int>(5));
    sender.wait();
    EXPECT(!timers_pending());
  });
}

TEST_CASE("after: several fire in the order of their delays") {
  run_on_each([] {
    const auto third = after(3ms);
    const auto first = after(1ms);
    const auto second = after(2ms);
    const auto a = first.recv();
    const auto b = second.recv();
    const auto c = third.recv();
    EXPECT(a.has_value());
    EXPECT(b.has_value());
    EXPECT(c.has_value());
    EXPECT(*a <= *b);
    EXPECT(*b <= *c);
  });
}

TEST_CASE("after: many wait at the same time, with random delays") {
  CAPTURE(seed());
  run_on_each([] {
    auto random = generator(2);
    std::atomic<std::size_t> fired{0};
    fiber_group fibers;
    for (std::size_t i = 0; i < many_timers; ++i) {
      fibers.go([&fired, delay = std::chrono::microseconds(random() % 5'000)] {
        const auto begin = clock_type::now();
        EXPECT(*after(delay).recv() >= begin + delay);
        ++fired;
      });
    }
    fibers.join();
    EXPECT_EQ(fired.load(), many_timers);
    EXPECT(!timers_pending());
  });
}

// Go 1.23's promise: a timer that nobody can receive from any more is freed, fired or not.
TEST_CASE("after: an unfired one whose handles are gone leaves no timer and no memory") {
  run_on_each([] {
    auto ready = make_chan<int>(1);
    const auto use_some = [&](std::size_t count) {
      for (std::size_t i = 0; i < count; ++i) {
        ready.send(1);
        EXPECT_EQ(ringo::select(ringo::recv(ready), ringo::recv(after(1h))), std::size_t{0});
      }
    };
    use_some(100);
    const std::size_t before = bytes_in_use();
    use_some(dropped_timers);
    const std::size_t afterwards = bytes_in_use();
    if (!RINGO_ASAN && !RINGO_TSAN) EXPECT(afterwards < before + 64 * 1024);
    EXPECT(!timers_pending());
  });
}

TEST_CASE("after: dropped from other fibers, workers and threads, all at once") {
  run_on_each([] {
    auto handles = make_chan<ringo::recv_chan<time_point>>(64);
    fiber_group fibers;
    thread_group threads;
    for (int i = 0; i < 3; ++i) {
      fibers.go([=] {
        for (auto& handle : handles) handle = {};
      });
    }
    threads.start([=] {
      for (auto& handle : handles) handle = {};
    });
    fiber_group makers;
    for (int i = 0; i < 3; ++i) {
      makers.go([=] {
        for (std::size_t n = 0; n < dropped_timers / 10; ++n) {
          handles.send(after(std::chrono::milliseconds(n % 7 == 0 ? 1 : 3'600'000)));
        }
      });
    }
    makers.join();
    handles.close();
    fibers.join();
    threads.join();
    EXPECT(!timers_pending());
  });
}

TEST_CASE("after: one that fired into nobody is freed with its last handle") {
  run_on_each([] {
    for (int i = 0; i < 20; ++i) {
      const auto unread = after(10us);
      const auto copy = unread;
      eventually([&] { return has_value(unread); }, "the timer");
      EXPECT(has_value(copy));
      EXPECT_EQ(copy.len(), std::size_t{0});
    }
    EXPECT(!timers_pending());
  });
}

// The drop takes the timer out of the heap while the heap may be about to fire it.
TEST_CASE("after: dropping the last handle races with the timer") {
  CAPTURE(seed());
  for (const std::size_t workers : {std::size_t{2}, std::size_t{8}}) {
    run_on(workers, [] {
      auto dropped = make_chan<ringo::recv_chan<time_point>>(16);
      const auto dropper = watched_fiber::start([=] {
        auto random = generator(3);
        for (auto& handle : dropped) {
          for (auto spins = random() % 2'000; spins > 0; --spins) (void)handle.len();
          handle = {};
        }
      });
      auto random = generator(4);
      for (std::size_t i = 0; i < race_rounds; ++i) {
        dropped.send(after(std::chrono::nanoseconds(random() % 30'000)));
      }
      dropped.close();
      dropper.wait();
      EXPECT(!timers_pending());
    });
  }
}

TEST_CASE("after: a select that is won at the same time as the timer fires keeps one of both") {
  CAPTURE(seed());
  run_on_each([] {
    auto ch = make_chan<int>();
    std::atomic<bool> over{false};
    const auto sender = watched_fiber::start([&] {
      auto random = generator(5);
      while (!over) {
        ringo::select(ringo::send(ch, 1),
                      ringo::recv(after(std::chrono::microseconds(random() % 40))));
      }
    });
    auto random = generator(6);
    std::size_t received = 0;
    std::size_t timed_out = 0;
    for (std::size_t i = 0; i < race_rounds / 10; ++i) {
      std::optional<int> value;
      std::optional<time_point> time;
      const std::size_t index =
          ringo::select(ringo::recv(ch, value),
                        ringo::recv(after(std::chrono::microseconds(random() % 40)), time));
      EXPECT_EQ(value.has_value(), index == 0);
      EXPECT_EQ(time.has_value(), index == 1);
      ++(index == 0 ? received : timed_out);
    }
    EXPECT_EQ(received + timed_out, race_rounds / 10);
    over = true;
    sender.wait();
  });
}

TEST_CASE("after: from a plain thread, and received there") {
  run_on_each([] {
    thread_group threads;
    auto handed_over = make_chan<ringo::recv_chan<time_point>>(1);
    threads.start([=] {
      for (int i = 0; i < 5; ++i) {
        const auto begin = clock_type::now();
        EXPECT(*after(500us).recv() >= begin + 500us);
      }
      EXPECT_EQ(ringo::select(ringo::recv(after(1h)), ringo::recv(after(1ms))), std::size_t{1});
      handed_over.send(after(1ms));
    });
    EXPECT(handed_over.recv()->recv().has_value());
    threads.join();
    EXPECT(!timers_pending());
  });
}

// The workers sleep until the far deadline when the near one comes from outside.
TEST_CASE("after: a plain thread's timer wakes workers that sleep") {
  run_on_each([] {
    const auto far_away = after(1h);
    auto sooner = make_chan<bool>();
    std::thread outside([=] {
      for (int i = 0; i < 3; ++i) EXPECT(after(1ms).recv().has_value());
      sooner.send(true);
    });
    EXPECT_EQ(ringo::select(ringo::recv(far_away), ringo::recv(sooner)), std::size_t{1});
    outside.join();
  });
}

TEST_CASE("after: made before a run, it fires in the run") {
  for_each_worker_count([](std::size_t workers) {
    const auto early = after(1us);
    auto dropped = after(1h);
    CHECK_FALSE(early.try_recv());
    run_on(workers, [&] {
      EXPECT(early.recv().has_value());
      dropped = {};
      EXPECT(!timers_pending());
    });
  });
}

TEST_CASE("after: handles may outlive the run") {
  for_each_worker_count([](std::size_t workers) {
    ringo::recv_chan<time_point> unfired;
    ringo::recv_chan<time_point> kept;
    ringo::recv_chan<time_point> fired;
    run_on(workers, [&] {
      unfired = after(1h);
      kept = after(5ms);
      fired = after(0s);
      eventually([&] { return has_value(fired); }, "the timer");
    });
    CHECK(fired.recv().has_value());
    unfired = {};
    run_on(workers, [&] {
      EXPECT(kept.recv().has_value());
      EXPECT(!timers_pending());
    });
  });
}

TEST_CASE("after: fibers that wait for one are left over at the end of run") {
  for_each_worker_count([](std::size_t workers) {
    static std::atomic<int> woken;
    woken = 0;
    run_on(
        workers,
        [] {
          for (int i = 0; i < 5; ++i) {
            go_until_parked(parked_in_recv, [] {
              (void)after(100ms).recv();
              ++woken;
            });
            go_until_parked(parked_in_select, [] {
              ringo::select(ringo::recv(after(100ms)), ringo::recv(make_chan<int>()));
              ++woken;
            });
          }
        },
        leftovers::allowed);
    run_on(workers, [] { EXPECT(after(110ms).recv().has_value()); });
    CHECK(woken == 0);
  });
}
