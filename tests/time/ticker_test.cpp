// ticker and tick: periodic timers. Their periods are short, since they are real ones; what is
// checked is the series of deadlines, never how late one was.

#include <ringo/time/ticker.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>
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
using ringo::ticker;
using time_point = std::chrono::steady_clock::time_point;
using std::chrono::nanoseconds;

namespace {

// clang-format off
//                                                       plain    asan   tsan
constexpr auto race_rounds = sizes::pick<std::size_t>(5'000,   1'000,  300);
constexpr auto many_ticks  = sizes::pick<std::size_t>(1'000,   500,    100);
// clang-format on

/// Lets some time pass without a fiber to run, and without a timer of the kind that is tested.
void pass(nanoseconds duration) {
  ringo::sleep_for(duration);  // tidy: real time: ticks pass while nobody receives them
}

}  // namespace

TEST_CASE("TM-15: a ticker keeps its phase") {
  run_on_each([] {
    const auto before = ringo::now();
    const ticker t(500us);
    const auto after = ringo::now();
    time_point last = *t.channel().recv();
    EXPECT(last >= before + 500us);
    EXPECT(last <= after + 500us);
    for (int i = 0; i < 10; ++i) {
      if (i % 3 == 2) pass(1200us);
      const time_point next = *t.channel().recv();
      EXPECT(next > last);
      EXPECT_EQ(((next - last) % nanoseconds(500us)).count(), 0);
      EXPECT(ringo::now() >= next);
      last = next;
    }
    t.stop();
    EXPECT(!timers_pending());
  });
}

TEST_CASE("TM-15: of the ticks that a receiver misses one is kept, the oldest") {
  run_on_each([] {
    const ticker t(200us);
    const auto ch = t.channel();
    eventually([&] { return has_value(ch); }, "a tick");
    const auto seen = ringo::now();
    time_point upcoming;
    eventually([&] { return (upcoming = earliest_timer()) > seen + 1ms; }, "ticks to be dropped");
    const time_point kept = *ch.recv();
    EXPECT(kept <= seen);
    const time_point next = *ch.recv();
    EXPECT(next >= upcoming);
    EXPECT_EQ(((next - kept) % nanoseconds(200us)).count(), 0);
  });
}

TEST_CASE("TM-15: many ticks are due one period after the other") {
  run_on_each([] {
    const ticker t(10us);
    time_point last = *t.channel().recv();
    for (std::size_t i = 0; i < many_ticks; ++i) {
      const time_point next = *t.channel().recv();
      EXPECT(next > last);
      EXPECT_EQ(((next - last) % nanoseconds(10us)).count(), 0);
      last = next;
    }
  });
}

TEST_CASE("TM-16: periods that are not positive panic, and make tick nil") {
  const auto check = [] {
    for (const nanoseconds period : {nanoseconds(0), nanoseconds(-1), nanoseconds::min()}) {
      EXPECT_EQ(panic_text([&] { const ticker t(period); }), "non-positive interval for NewTicker");
      const ticker t(1h);
      EXPECT_EQ(panic_text([&] { t.reset(period); }), "non-positive interval for Ticker.Reset");
      EXPECT(!ringo::tick(period));
    }
    EXPECT_EQ(panic_text([] { const ticker t(std::chrono::hours::min()); }),
              "non-positive interval for NewTicker");
  };
  run_on_each([&] {
    check();
    EXPECT(!timers_pending());
  });
  check();  // without a runtime
  failure_log::instance().report();
}

TEST_CASE("TM-17: a stopped ticker does not tick, and may be stopped again") {
  run_on_each([] {
    const ticker t(300us);
    const auto ch = t.channel();
    for (int i = 0; i < 3; ++i) EXPECT(ch.recv().has_value());
    eventually([&] { return has_value(ch); }, "a tick");
    t.stop();
    EXPECT(!timers_pending());
    EXPECT(!has_value(ch));
    t.stop();
    pass(1ms);
    const auto nothing = ch.try_recv();
    EXPECT(!nothing);
    EXPECT(!nothing.closed());
  });
}

TEST_CASE("TM-17: reset begins a new series, with nothing left of the old one") {
  run_on_each([] {
    const ticker t(200us);
    const auto ch = t.channel();
    EXPECT(ch.recv().has_value());
    eventually([&] { return has_value(ch); }, "a tick");
    const auto before = ringo::now();
    t.reset(700us);
    const auto after = ringo::now();
    const time_point first = *ch.recv();
    EXPECT(first >= before + 700us);
    EXPECT(first <= after + 700us);
    EXPECT_EQ(((*ch.recv() - first) % nanoseconds(700us)).count(), 0);
    t.stop();
    t.reset(100us);  // a stopped one too
    EXPECT(ch.recv().has_value());
    t.reset(1h);
    EXPECT(!has_value(ch));
  });
}

TEST_CASE("TM-18: stop does nothing to a ticker without a channel") {
  run_on_each([] {
    const ticker none;
    none.stop();
    EXPECT(!none.channel());
    EXPECT_EQ(panic_text([&] { none.reset(1ms); }), "Reset called on uninitialized Ticker");
    ticker t(1h);
    const ticker moved = std::move(t);
    t.stop();  // NOLINT(bugprone-use-after-move): that is the test
    EXPECT(timers_pending());
    moved.stop();
    EXPECT(!timers_pending());
  });
}

TEST_CASE("TM-20: a panic leaves no lock held") {
  run_on_each([] {
    const ticker t(1ms);
    EXPECT_EQ(panic_text([&] { t.reset(0s); }), "non-positive interval for Ticker.Reset");
    EXPECT(t.channel().recv().has_value());  // it was left as it was
    t.stop();
    EXPECT(!timers_pending());
  });
}

TEST_CASE("ticker: its channel shows no buffer") {
  run_on_each([] {
    const ticker t(100us);
    const auto ch = t.channel();
    EXPECT_EQ(ch.cap(), std::size_t{0});
    eventually([&] { return has_value(ch); }, "a tick");
    EXPECT_EQ(ch.len(), std::size_t{0});
    EXPECT(ch == t.channel());
  });
}

TEST_CASE("ticker: the longest periods never tick") {
  run_on_each([] {
    const ticker longest(nanoseconds::max());
    const ticker years(std::chrono::hours::max());
    EXPECT(!timers_pending());
    EXPECT_EQ(ringo::select(ringo::recv(longest.channel()),
                            ringo::recv(years.channel()),
                            ringo::recv(ringo::after(1ms))),
              std::size_t{2});
    longest.reset(100us);
    EXPECT(longest.channel().recv().has_value());
  });
}

TEST_CASE("ticker: one whose handle is gone feeds the channel until that is gone") {
  run_on_each([] {
    auto ch = ticker(200us).channel();
    for (int i = 0; i < 3; ++i) EXPECT(ch.recv().has_value());
    EXPECT(timers_pending());
    ch = {};
    EXPECT(!timers_pending());
    auto ticks = ringo::tick(200us);
    for (int i = 0; i < 3; ++i) EXPECT(ticks.recv().has_value());
    ticks = {};
    EXPECT(!timers_pending());
  });
}

TEST_CASE("ticker: from a plain thread, before a run and after it") {
  for_each_worker_count([](std::size_t workers) {
    const ticker early(1us);
    run_on(workers, [&] {
      EXPECT(early.channel().recv().has_value());
      thread_group threads;
      threads.start([&] {
        EXPECT(early.channel().recv().has_value());
        early.reset(300us);
        for (int i = 0; i < 3; ++i) EXPECT(early.channel().recv().has_value());
        const ticker own(200us);
        for (int i = 0; i < 3; ++i) EXPECT(own.channel().recv().has_value());
      });
      threads.join();
    });
    early.stop();
    early.reset(100us);
    run_on(workers, [&] { EXPECT(early.channel().recv().has_value()); });
    early.stop();
    CHECK_FALSE(early.channel().try_recv());
  });
}

// Each reset must leave no tick of the series before, wherever that was about to fire.
TEST_CASE("ticker: stop and reset race with ticks, receivers and each other") {
  CAPTURE(seed());
  run_on_each([] {
    const ticker t(1us);
    std::atomic<bool> over{false};
    fiber_group fibers;
    for (std::size_t i = 0; i < 2; ++i) {
      fibers.go([&, random = generator(i)]() mutable {
        for (std::size_t n = 0; n < race_rounds; ++n) {
          if (random() % 4 == 0) {
            t.stop();
          } else {
            t.reset(nanoseconds(1 + random() % 20'000));
          }
          if (n % 64 == 0) ringo::yield();
        }
      });
      fibers.go([&] {
        while (!over) {
          (void)t.channel().try_recv();
          ringo::yield();
        }
      });
    }
    eventually([&] { return ringo::num_fibers() <= 3; }, "the resets");
    over = true;
    fibers.join();
    for (std::size_t n = 0; n < race_rounds / 10; ++n) {
      t.reset(nanoseconds(1 + n % 5'000));
      if (n % 3 == 0) ringo::yield();
      t.reset(1h);
      EXPECT(!t.channel().try_recv());
    }
    t.stop();
    EXPECT(!timers_pending());
  });
}
