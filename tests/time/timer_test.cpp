// timer: one event in the future. after_func has a file of its own, and so has what is random or
// large.

#include <ringo/time/timer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <limits>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include <ringo/select.hpp>
#include <ringo/time/after.hpp>
#include <ringo/time/now.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/threads.hpp"
#include "support/timers.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::after;
using ringo::timer;
using std::chrono::nanoseconds;
using time_point = std::chrono::steady_clock::time_point;

namespace {

// clang-format off
//                                                          plain    asan    tsan
constexpr auto zero_timers    = sizes::pick<std::size_t>(10'000,  2'000,  500);
constexpr auto dropped_timers = sizes::pick<std::size_t>(10'000,  2'000,  500);
// clang-format on

void pass(nanoseconds duration) {
  ringo::sleep_for(duration);  // tidy: real time: what must not happen meanwhile
}

/// A timer that has fired, and whose value nobody has received.
timer unread_timer() {
  timer t(1ns);
  eventually([&] { return has_value(t.channel()); }, "the timer");
  return t;
}

}  // namespace

TEST_CASE("TM-2: the longest delays never fire, negative ones do at once, others are unaffected") {
  run_on_each(
      [] {
        ringo::go([] {
          ringo::sleep_for(nanoseconds::max());  // tidy: real time: it never ends
          EXPECT(false);
        });
        const timer longest(nanoseconds::max());
        const timer years(std::chrono::hours::max());
        const std::chrono::duration<double> endless{std::numeric_limits<double>::infinity()};
        const timer infinite(endless);
        const timer before(1ms);
        const timer negative(nanoseconds::min());
        const timer very_negative(std::chrono::hours::min());
        EXPECT(negative.channel().recv().has_value());
        EXPECT(very_negative.channel().recv().has_value());
        EXPECT(before.channel().recv().has_value());
        EXPECT(after(500us).recv().has_value());
        for (const timer* t : {&longest, &years, &infinite}) {
          EXPECT(!t->channel().try_recv());
          EXPECT(t->stop());
          EXPECT(!t->stop());
          EXPECT(!t->reset(nanoseconds::max()));
          EXPECT(t->reset(1us));
          EXPECT(t->channel().recv().has_value());
        }
      },
      leftovers::allowed);
}

TEST_CASE("TM-4: a timer fires once, and not too early") {
  run_on_each([] {
    for (const nanoseconds delay : {1ns, 1'000ns, 300'000ns, 1'000'000ns}) {
      const auto begin = ringo::now();
      const timer t(delay);
      const auto end = ringo::now();
      const time_point fired = *t.channel().recv();
      EXPECT(fired >= begin + delay);
      EXPECT(fired <= end + delay);
      EXPECT(ringo::now() >= fired);
      EXPECT(!t.stop());
      const auto again = t.channel().try_recv();
      EXPECT(!again);
      EXPECT(!again.closed());
    }
    EXPECT(!timers_pending());
  });
}

TEST_CASE("TM-4: a delay of nothing is never missed") {
  run_on_each([] {
    for (std::size_t i = 0; i < zero_timers; ++i) {
      const timer t(i % 2 == 0 ? 0ns : -1ns);
      EXPECT(t.channel().recv().has_value());
    }
  });
}

namespace {

/// In which order do receivers of timers with different delays wake? True: in that of the delays.
bool wakes_in_order(nanoseconds step, std::mt19937_64& random) {
  std::vector<int> slots{5, 3, 6, 6, 6, 1, 1, 2, 7, 9, 4, 8, 0};
  std::shuffle(slots.begin(), slots.end(), random);
  const auto base = ringo::now() + 1ms;
  std::atomic<std::size_t> next{0};
  std::vector<time_point> woken(slots.size());
  fiber_group fibers;
  for (const int slot : slots) {
    fibers.go([&, slot] {
      const time_point due = base + step * slot;
      const timer t(due - ringo::now());
      const time_point fired = *t.channel().recv();
      woken[next++] = fired;
      EXPECT(fired >= due);
    });
  }
  fibers.join();
  return std::is_sorted(woken.begin(), woken.end());
}

}  // namespace

// Between receivers on different workers there is no order: with ever longer steps they show it.
TEST_CASE("TM-5: timers fire in the order of their deadlines") {
  CAPTURE(seed());
  run_on_each([] {
    auto random = generator(1);
    bool in_order = false;
    for (auto step = 100us; !in_order && step < 200ms; step *= 2) {
      in_order = wakes_in_order(step, random);
    }
    EXPECT(in_order);
  });
}

TEST_CASE("TM-6: stop tells whether the timer was active, and does not close the channel") {
  run_on_each([] {
    const timer t(1h);
    const auto receiver = go_until_parked(parked_in_recv, [ch = t.channel()] {
      EXPECT(ch.recv().has_value());  // of the start below
    });
    EXPECT(t.stop());
    EXPECT(!timers_pending());
    EXPECT(!t.stop());
    let_others_run();
    EXPECT(receiver.parked_for(parked_in_recv));
    EXPECT(!t.reset(1us));
    receiver.wait();
    EXPECT(!t.stop());
  });
}

TEST_CASE("TM-7: after stop or reset no value of before is received") {
  run_on_each([] {
    const timer t(1ns);
    for (int i = 0; i < 20; ++i) {
      eventually([&] { return has_value(t.channel()); }, "the timer");
      if (i % 2 == 0) {
        t.stop();
      } else {
        t.reset(1h);
      }
      EXPECT(!t.channel().try_recv());
      EXPECT_EQ(ringo::select(ringo::recv(t.channel()), ringo::otherwise), std::size_t{1});
      t.reset(1ns);
    }
    eventually([&] { return has_value(t.channel()); }, "the timer");
    const auto before = ringo::now();
    t.reset(500us);
    EXPECT(*t.channel().recv() >= before + 500us);
  });
}

TEST_CASE("TM-7: the channel shows no buffer") {
  run_on_each([] {
    const timer t = unread_timer();
    EXPECT_EQ(t.channel().cap(), std::size_t{0});
    EXPECT_EQ(t.channel().len(), std::size_t{0});
    EXPECT_EQ(after(1h).cap(), std::size_t{0});
  });
}

TEST_CASE("TM-8: a timer that fired but was not received from was active, and is withdrawn") {
  run_on_each([] {
    const timer stopped = unread_timer();
    EXPECT(stopped.stop());
    EXPECT(!stopped.channel().try_recv());
    EXPECT(!stopped.stop());
    const timer again = unread_timer();
    EXPECT(again.reset(1h));
    EXPECT(!again.channel().try_recv());
    EXPECT(again.stop());
  });
}

TEST_CASE("TM-10: reset starts a timer again, whatever it had done") {
  run_on_each([] {
    const timer t(1h);
    const auto fires = [&] { EXPECT(t.channel().recv().has_value()); };
    EXPECT(t.reset(100us));  // earlier
    fires();
    EXPECT(!t.reset(50us));  // received
    const auto before = ringo::now();
    EXPECT(t.reset(1ms));  // later; perhaps it has fired
    EXPECT(*t.channel().recv() >= before + 1ms);
    EXPECT(!t.stop());
    EXPECT(!t.reset(1us));
    eventually([&] { return has_value(t.channel()); }, "the timer");
    EXPECT(t.reset(1us));  // not received
    fires();
    EXPECT(!t.reset(1h));
    EXPECT(t.stop());
    EXPECT(!t.reset(1us));  // stopped
    fires();
    EXPECT(!timers_pending());
  });
}

TEST_CASE("TM-11: the value is the time at which the timer was due, not that of the receive") {
  run_on_each([] {
    const timer t(100us);
    const auto ch = after(100us);
    const auto made = ringo::now();
    pass(2ms);
    EXPECT(*t.channel().recv() <= made + 100us);
    EXPECT(*ch.recv() <= made + 100us);
  });
}

TEST_CASE("TM-12: timers that nobody can reach any more are freed") {
  run_on_each([] {
    const auto use_some = [] {
      std::vector<timer> timers;
      std::vector<ringo::recv_chan<time_point>> channels;
      for (std::size_t i = 0; i < dropped_timers; ++i) {
        timers.emplace_back(1h);
        channels.push_back(timers.back().channel());
      }
      timers.clear();
      EXPECT(timers_pending());
    };
    use_some();
    EXPECT(!timers_pending());
    const std::size_t before = bytes_in_use();
    use_some();
    EXPECT(!timers_pending());
    if (!RINGO_ASAN && !RINGO_TSAN) EXPECT(bytes_in_use() < before + 64 * 1024);
  });
}

TEST_CASE("TM-12: one whose handle is gone feeds the channel handles that are left") {
  run_on_each([] {
    auto ch = timer(500us).channel();
    EXPECT(ch.recv().has_value());
    auto unread = unread_timer().channel();
    EXPECT(unread.recv().has_value());
    auto dropped = timer(1h).channel();
    EXPECT(timers_pending());
    dropped = {};
    EXPECT(!timers_pending());
  });
}

TEST_CASE("TM-14: an uninitialized timer panics, and has the nil channel") {
  const auto check = [](const timer& t) {
    EXPECT_EQ(panic_text([&] { t.stop(); }), "Stop called on uninitialized Timer");
    EXPECT_EQ(panic_text([&] { t.reset(1ms); }), "Reset called on uninitialized Timer");
    EXPECT(!t.channel());
  };
  run_on_each([&] {
    check(timer());
    timer t(1h);
    timer other(std::move(t));
    check(t);  // NOLINT(bugprone-use-after-move): that is the test
    t = std::move(other);
    check(other);  // NOLINT(bugprone-use-after-move): that is the test
    EXPECT(t.stop());
    t = timer(1h);
    EXPECT(t.stop());
    EXPECT(!timers_pending());
  });
}

TEST_CASE("TM-20: a panic leaves the timers usable") {
  run_on_each([] {
    const timer t(1h);
    const timer none;
    EXPECT(!panic_text([&] { none.reset(1s); }).empty());
    EXPECT(t.reset(100us));
    EXPECT(t.channel().recv().has_value());
  });
}

// The timers stand in the heap of a worker that is then kept by a fiber without scheduling points.
TEST_CASE("TM-21: a timer fires although the worker that it was made on computes") {
  for (const std::size_t workers : {std::size_t{2}, std::size_t{8}}) {
    run_on(workers, [] {
      std::atomic<bool> received{false};
      const timer t(1ms);
      const auto receiver = go_until_parked(parked_in_recv, [&, ch = t.channel()] {
        (void)ch.recv();
        received = true;
      });
      const timer other(1ms);
      while (!received || !has_value(other.channel())) {
      }
      receiver.wait();
    });
  }
}

TEST_CASE("timer: works from plain threads") {
  run_on_each([] {
    thread_group threads;
    threads.start([] {
      const timer t(300us);
      EXPECT(t.channel().recv().has_value());
      EXPECT(!t.reset(1h));
      EXPECT(t.stop());
      EXPECT(!t.reset(200us));
      EXPECT_EQ(ringo::select(ringo::recv(after(1h)), ringo::recv(t.channel())), std::size_t{1});
    });
    threads.join();
    EXPECT(!timers_pending());
  });
}

TEST_CASE("timer: made, reset and stopped without a runtime, and in use over several runs") {
  for_each_worker_count([](std::size_t workers) {
    const timer early(1us);
    const timer stopped(1us);
    CHECK(stopped.stop());
    CHECK_FALSE(stopped.stop());
    const timer later(1h);
    CHECK(later.reset(nanoseconds(500us)));
    CHECK_FALSE(early.channel().try_recv());
    timer kept;
    run_on(workers, [&] {
      EXPECT(early.channel().recv().has_value());
      EXPECT(later.channel().recv().has_value());
      EXPECT(!stopped.channel().try_recv());
      kept = timer(2ms);
    });
    CHECK(kept.reset(nanoseconds(1ms)));
    run_on(workers, [&] { EXPECT(kept.channel().recv().has_value()); });
    CHECK_FALSE(kept.stop());
  });
}
