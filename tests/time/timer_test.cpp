// timer: one event in the future, in virtual time. after_func has a file of its own, and so has
// what is random, large or a race.

#include <ringo/time/timer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <ringo/select.hpp>
#include <ringo/time/after.hpp>
#include <ringo/time/now.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/timers.hpp"
#include "support/virtual_time.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::after;
using ringo::after_func;
using ringo::timer;
using std::chrono::nanoseconds;
using time_point = std::chrono::steady_clock::time_point;

namespace {

// clang-format off
//                                                          plain     asan    tsan
constexpr auto zero_timers    = sizes::pick<std::size_t>(100'000,  10'000,  2'000);
constexpr auto past_timers    = sizes::pick<std::size_t>(  1'000,   1'000,    200);
constexpr auto dropped_timers = sizes::pick<std::size_t>( 10'000,   2'000,    500);
// clang-format on

/// A timer that has fired, and whose value nobody has received.
timer unread_timer() {
  timer t(1ns);
  ringo::sleep_for(10ms);
  EXPECT(has_value(t.channel()));
  return t;
}

}  // namespace

// After Go's TestOverflowSleep. Who sleeps for ever is what the bubble complains about at its end.
TEST_CASE("TM-2: the longest delays never fire, negative ones do at once, others are unaffected") {
  const auto body = [] {
    const stopwatch watch;
    ringo::go([] {
      ringo::sleep_for(nanoseconds::max());
      EXPECT(false);
    });
    const timer longest(nanoseconds::max());
    const timer years(std::chrono::hours::max());
    const std::chrono::duration<double> endless{std::numeric_limits<double>::infinity()};
    const timer infinite(endless);
    const timer negative(nanoseconds::min());
    const timer very_negative(std::chrono::hours::min());
    EXPECT(*negative.channel().recv() == watch.start());
    EXPECT(*very_negative.channel().recv() == watch.start());
    EXPECT_EQ(ringo::select(ringo::recv(after(nanoseconds::max())), ringo::recv(after(25ms))),
              std::size_t{1});
    EXPECT_EQ(watch.passed(), 25ms);
    ringo::sleep_for(nanoseconds::min());
    EXPECT_EQ(ringo::select(ringo::recv(after(nanoseconds::min())), ringo::recv(after(1s))),
              std::size_t{0});
    EXPECT_EQ(watch.passed(), 25ms);
    ringo::sleep_for(24h * 365 * 10);
    for (const timer* t : {&longest, &years, &infinite}) {
      EXPECT(!t->channel().try_recv());
      EXPECT(t->stop());
      EXPECT(!t->stop());
      EXPECT(!t->reset(nanoseconds::max()));
      EXPECT(t->reset(1us));
      const stopwatch again;
      EXPECT_EQ(again.until(*t->channel().recv()), 1us);
    }
  };
  run_on_each(
      [&] {
        const std::string text = panic_text([&] { ringo::testing::bubble(body); });
        EXPECT(text.find("its first fiber has returned") != std::string::npos);
        EXPECT(text.find("[sleep]") != std::string::npos);
      },
      leftovers::allowed);
}

TEST_CASE("TM-4: a timer fires once, exactly when it is due") {
  run_in_bubble_on_each([] {
    for (const nanoseconds delay : {1ns, 1'000ns, 10'000'000ns, nanoseconds(100ms)}) {
      const stopwatch watch;
      const timer t(delay);
      EXPECT(!t.channel().try_recv());
      EXPECT_EQ(watch.until(*t.channel().recv()), delay);
      EXPECT_EQ(watch.passed(), delay);
      EXPECT(!t.stop());
      ringo::sleep_for(1h);
      const auto again = t.channel().try_recv();
      EXPECT(!again);
      EXPECT(!again.closed());
    }
    EXPECT(!timers_pending());
  });
}

TEST_CASE("TM-4: a delay of nothing is never missed, and takes no time") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    for (std::size_t i = 0; i < zero_timers; ++i) {
      const timer t(i % 2 == 0 ? 0ns : -1ns);
      EXPECT(t.channel().recv().has_value());
    }
    EXPECT_EQ(watch.passed(), 0s);
  });
}

// After Go's TestAfterQueuing.
TEST_CASE("TM-5: timers fire in the order of their deadlines") {
  CAPTURE(seed());
  run_in_bubble_on_each([] {
    const stopwatch watch;
    std::vector<int> slots{5, 3, 6, 6, 6, 1, 1, 2, 7, 9, 4, 8, 0};
    auto random = generator(1);
    std::shuffle(slots.begin(), slots.end(), random);
    auto results = ringo::make_chan<std::pair<int, time_point>>();
    for (const int slot : slots) {
      ringo::go([=, ch = after(slot * 100ms)] { results.send({slot, *ch.recv()}); });
    }
    std::sort(slots.begin(), slots.end());
    for (const int slot : slots) {
      const auto [received, fired] = *results.recv();
      EXPECT_EQ(received, slot);
      EXPECT_EQ(watch.until(fired), slot * 100ms);
      EXPECT_EQ(watch.passed(), slot * 100ms);
    }
  });
}

TEST_CASE("TM-6: stop tells whether the timer was active, and does not close the channel") {
  run_in_bubble_on_each([] {
    const timer t(1h);
    const stopwatch watch;
    auto receiver = ringo::spawn([ch = t.channel()] { return ch.recv(); });
    EXPECT(t.stop());
    EXPECT(!timers_pending());
    EXPECT(!t.stop());
    ringo::sleep_for(2h);
    EXPECT(!t.reset(1us));  // the receiver has been waiting all the time
    const auto fired = receiver.join();
    EXPECT(fired.has_value());
    EXPECT_EQ(watch.until(*fired), 2h + 1us);
    EXPECT(!t.stop());
  });
}

// After Go's TestAfterStop.
TEST_CASE("TM-6: stopped timers do not fire, neither before nor after one that does") {
  run_in_bubble_on_each([] {
    std::atomic<bool> ran{false};
    after_func(100ms, [] {});
    const timer sooner(50ms);
    const timer later = after_func(150ms, [&] { ran = true; });
    const auto last = after(200ms);
    EXPECT(sooner.stop());
    EXPECT(later.stop());
    EXPECT(last.recv().has_value());
    EXPECT(!sooner.channel().try_recv());
    EXPECT(!ran);
    EXPECT(!sooner.stop());
    EXPECT(!later.stop());
  });
}

// After Go's TestTimerStopStress.
TEST_CASE("TM-6: many are stopped in time") {
  run_in_bubble_on_each([] {
    for (int i = 0; i < 100; ++i) {
      ringo::go([] {
        const timer t = after_func(2s, [] { EXPECT(false); });
        ringo::sleep_for(1s);
        EXPECT(t.stop());
      });
    }
    ringo::sleep_for(3s);
    EXPECT(!timers_pending());
  });
}

TEST_CASE("TM-7: after stop or reset no value of before is received") {
  run_in_bubble_on_each([] {
    const timer t(1ns);
    for (int i = 0; i < 20; ++i) {
      ringo::sleep_for(10ms);
      EXPECT(has_value(t.channel()));
      if (i % 2 == 0) {
        EXPECT(t.stop());
      } else {
        EXPECT(t.reset(1h));
      }
      EXPECT(!t.channel().try_recv());
      EXPECT_EQ(ringo::select(ringo::recv(t.channel()), ringo::otherwise), std::size_t{1});
      t.reset(1ns);
    }
    ringo::sleep_for(10ms);
    const stopwatch watch;
    t.reset(500ms);
    EXPECT_EQ(watch.until(*t.channel().recv()), 500ms);
    EXPECT_EQ(watch.passed(), 500ms);
  });
}

TEST_CASE("TM-7: the channel shows no buffer") {
  run_in_bubble_on_each([] {
    const timer t = unread_timer();
    EXPECT_EQ(t.channel().cap(), std::size_t{0});
    EXPECT_EQ(t.channel().len(), std::size_t{0});
    EXPECT_EQ(after(1h).cap(), std::size_t{0});
  });
}

TEST_CASE("TM-8: a timer that fired but was not received from was active, and is withdrawn") {
  run_in_bubble_on_each([] {
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

// After Go's TestReset.
TEST_CASE("TM-10: reset moves a timer, and starts one again that has fired") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    const timer t(200ms);
    ringo::sleep_for(100ms);
    EXPECT(t.reset(300ms));
    ringo::sleep_for(200ms);
    EXPECT(!t.channel().try_recv());
    ringo::sleep_for(200ms);
    const auto fired = t.channel().try_recv();
    EXPECT(fired && watch.until(*fired) == 400ms);
    EXPECT(!t.reset(50ms));
    EXPECT_EQ(watch.until(*t.channel().recv()), 550ms);
  });
}

TEST_CASE("TM-10: reset starts a timer again, whatever it had done") {
  run_in_bubble_on_each([] {
    const timer t(1h);
    const auto fires_after = [&](nanoseconds delay) {
      const stopwatch watch;
      EXPECT_EQ(watch.until(*t.channel().recv()), delay);
      EXPECT_EQ(watch.passed(), delay);
    };
    EXPECT(t.reset(100us));  // earlier
    fires_after(100us);
    EXPECT(!t.reset(50us));  // received
    ringo::sleep_for(40us);
    EXPECT(t.reset(1ms));  // later
    fires_after(1ms);
    EXPECT(!t.stop());
    EXPECT(!t.reset(1us));
    ringo::sleep_for(1us);
    EXPECT(t.reset(1us));  // not received
    fires_after(1us);
    EXPECT(!t.reset(1h));
    EXPECT(t.stop());
    EXPECT(!t.reset(1us));  // stopped
    fires_after(1us);
    EXPECT(!timers_pending());
  });
}

// After Go's TestTimerModifiedEarlier.
TEST_CASE("TM-10: a timer that is moved into the past fires at once") {
  run_in_bubble_on_each([] {
    const nanoseconds past = -ringo::now().time_since_epoch();
    const stopwatch watch;
    for (std::size_t i = 0; i < past_timers; ++i) {
      const timer t(1h);
      for (int move = 0; move < 10; ++move) {
        EXPECT(t.stop());
        EXPECT(!t.reset(past));
      }
      const timer bound(10s);
      EXPECT_EQ(ringo::select(ringo::recv(t.channel()), ringo::recv(bound.channel())),
                std::size_t{0});
    }
    EXPECT_EQ(watch.passed(), 0s);
  });
}

// After Go's TestAfterTimes.
TEST_CASE("TM-11: the value is the time at which the timer was due, not that of the receive") {
  run_in_bubble_on_each([] {
    for (int i = 0; i < 10; ++i) {
      const stopwatch watch;
      const timer t(10ms);
      const auto ch = after(10ms);
      ringo::sleep_for(500ms);
      EXPECT_EQ(watch.until(*t.channel().recv()), 10ms);
      EXPECT_EQ(watch.until(*ch.recv()), 10ms);
      EXPECT_EQ(watch.passed(), 500ms);
    }
  });
}

TEST_CASE("TM-12: timers that nobody can reach any more are freed") {
  const auto check = [] {
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
  };
  run_on_each(check);  // a worker's heap
  run_in_bubble_on_each(check);
}

TEST_CASE("TM-12: one whose handle is gone feeds the channel handles that are left") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    auto ch = timer(500ms).channel();
    EXPECT_EQ(watch.until(*ch.recv()), 500ms);
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
  run_in_bubble_on_each([] {
    const stopwatch watch;
    const timer t(1h);
    const timer none;
    EXPECT(!panic_text([&] { none.reset(1s); }).empty());
    EXPECT(t.reset(100ms));
    EXPECT_EQ(watch.until(*t.channel().recv()), 100ms);
  });
}
