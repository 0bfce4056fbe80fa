// The choice among ready cases is uniform: no case starves, none has priority.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/select.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"

using namespace ringo::test;
using ringo::chan;
using ringo::make_chan;

namespace {

/// Whether `hits` of `trials` fit a probability: within six standard deviations, which a fair
/// choice leaves once in 500 million tests.
bool fits(std::size_t hits, std::size_t trials, double probability) {
  const double n = static_cast<double>(trials);
  const double deviation = std::sqrt(n * probability * (1 - probability));
  return std::abs(static_cast<double>(hits) - n * probability) < 6 * deviation;
}

template <std::size_t N>
void expect_uniform(const std::array<std::size_t, N>& hits, std::size_t trials) {
  for (const std::size_t count : hits) {
    if (!fits(count, trials, 1.0 / N)) {
      std::string text = "an unfair choice:";
      for (const std::size_t each : hits) text += " " + std::to_string(each);
      expect(false, text.c_str(), __FILE__, __LINE__);
      return;
    }
  }
}

}  // namespace

TEST_CASE("SE-1: the choice among ready cases is uniform") {
  run_on_each([] {
    constexpr std::size_t trials = sizes::fairness_trials;
    auto closed = make_chan<int>();
    closed.close();
    auto slot = make_chan<int>(trials);
    auto filled = make_chan<int>(trials);
    for (std::size_t i = 0; i < trials; ++i) filled.send(1);
    std::array<std::size_t, 3> hits = {};
    for (std::size_t i = 0; i < trials; ++i) {
      ++hits[ringo::select(ringo::recv(closed), ringo::send(slot, 1), ringo::recv(filled))];
    }
    expect_uniform(hits, trials);
  });
}

// After Go's TestSelectFairness: the choice is made by a fiber that parks between its selects.
TEST_CASE("SE-1: two ready channels beside two quiet ones get equal shares") {
  run_on_each([] {
    constexpr std::size_t trials = sizes::parked_fairness_trials;
    auto first = make_chan<int>(trials + 1);
    auto second = make_chan<int>(trials + 1);
    for (std::size_t i = 0; i <= trials; ++i) {
      first.send(0);
      second.send(1);
    }
    const auto quiet_a = make_chan<int>();
    const auto quiet_b = make_chan<int>();
    auto out = make_chan<int>();
    auto done = make_chan<void>();
    const auto chooser = watched_fiber::start([&] {
      for (;;) {
        std::optional<int> value;
        ringo::select(ringo::recv(quiet_a, value),
                      ringo::recv(quiet_b, value),
                      ringo::recv(first, value),
                      ringo::recv(second, value));
        if (ringo::select(ringo::send(out, *value), ringo::recv(done)) == 1) return;
      }
    });
    std::array<std::size_t, 2> hits = {};
    for (std::size_t i = 0; i < trials; ++i) ++hits[static_cast<std::size_t>(*out.recv())];
    expect_uniform(hits, trials);
    done.close();
    chooser.wait();
  });
}

TEST_CASE("SE-1: the choice is uniform in a run-time set too") {
  run_on_each([] {
    constexpr std::size_t trials = sizes::fairness_trials;
    auto closed = make_chan<int>();
    closed.close();
    std::array<std::size_t, 5> hits = {};
    for (std::size_t i = 0; i < trials; ++i) {
      std::vector<ringo::select_case> cases;
      for (std::size_t k = 0; k < hits.size(); ++k) cases.push_back(ringo::recv(closed));
      ++hits[ringo::select(cases)];
    }
    expect_uniform(hits, trials);
  });
}

// Successive choices must be independent as well: one that alternates would pass the tests above.
TEST_CASE("SE-1: a choice does not follow from the one before") {
  run_on_each([] {
    constexpr std::size_t trials = sizes::fairness_trials;
    auto closed = make_chan<int>();
    closed.close();
    std::array<std::size_t, 4> pairs = {};
    std::size_t before = 0;
    for (std::size_t i = 0; i < trials; ++i) {
      const std::size_t now = ringo::select(ringo::recv(closed), ringo::recv(closed));
      ++pairs[before * 2 + now];
      before = now;
    }
    expect_uniform(pairs, trials);
  });
}

// After Go's TestPseudoRandomSend. Capacity 0: the receiver yields first, so that the sender's
// select has to park, and the choice falls when the receiver comes.
TEST_CASE("SE-2: the choice covers several cases on one channel") {
  run_on_each([] {
    constexpr std::size_t count = 100;
    for (const std::ptrdiff_t capacity : {0, 100}) {
      auto ch = make_chan<int>(capacity);
      auto received = ringo::spawn([ch]() mutable {
        int ones = 0;
        for (std::size_t i = 0; i < count; ++i) {
          ringo::yield();
          ones += *ch.recv();
        }
        return ones;
      });
      for (std::size_t i = 0; i < count; ++i) {
        ringo::select(ringo::send(ch, 1), ringo::send(ch, 0));
      }
      const int ones = received.join();
      EXPECT(ones > 10);
      EXPECT(ones < 90);
    }
  });
}

// Each round waits until the select is parked, so the choice is made by whoever wakes it, among
// entries of one fiber in one queue.
TEST_CASE("SE-2: a parked select chooses uniformly between cases on one channel") {
  run_on_each([] {
    // Each looks at all control blocks, of which earlier tests have left many.
    const std::size_t trials = is_explored() ? 20 : 300;
    auto ch = make_chan<int>();
    std::array<std::size_t, 2> received = {};
    std::array<std::size_t, 2> sent = {};
    auto ready = make_chan<void>();
    const auto partner = watched_fiber::start([&] {
      for (std::size_t i = 0; i < trials; ++i) {
        (void)ready.recv();
        ++received[ringo::select(ringo::recv(ch), ringo::recv(ch))];
        (void)ready.recv();
        ++sent[ringo::select(ringo::send(ch, 0), ringo::send(ch, 1))];
      }
    });
    for (std::size_t i = 0; i < trials; ++i) {
      ready.send();
      wait_until_parked(1);
      ch.send(1);
      ready.send();
      wait_until_parked(1);
      (void)ch.recv();
    }
    partner.wait();
    expect_uniform(received, trials);
    expect_uniform(sent, trials);
  });
}

TEST_CASE("SE-12: a send case on a closed channel is ready, and panics when chosen") {
  run_on_each([] {
    constexpr std::size_t trials = sizes::closed_send_rounds;
    auto closed = make_chan<int>();
    closed.close();
    std::size_t panics = 0;
    std::size_t received = 0;
    for (std::size_t i = 0; i < trials; ++i) {
      auto ready = make_chan<int>(1);
      ready.send(1);
      const std::string text = panic_text([&] {
        EXPECT_EQ(ringo::select(ringo::send(closed, 1), ringo::recv(ready)), std::size_t{1});
        ++received;
      });
      if (!text.empty()) {
        EXPECT_EQ(text, "send on closed channel");
        EXPECT_EQ(ready.len(), std::size_t{1});
        ++panics;
      }
    }
    EXPECT_EQ(panics + received, trials);
    EXPECT(fits(panics, trials, 0.5));
  });
}

TEST_CASE("SE-12: a send case on a closed channel comes before otherwise") {
  run_on_each([] {
    auto closed = make_chan<int>();
    closed.close();
    EXPECT_EQ(panic_text([&] { ringo::select(ringo::send(closed, 1), ringo::otherwise); }),
              "send on closed channel");
    EXPECT_EQ(panic_text([&] { ringo::select(ringo::send(closed, 1)); }), "send on closed channel");
    EXPECT_EQ(panic_text([&] {
                std::vector<ringo::select_case> cases;
                cases.push_back(ringo::send(closed, 1));
                ringo::select(cases);
              }),
              "send on closed channel");
  });
}

TEST_CASE("SE-24: a ready done case has no priority over ready data") {
  run_on_each([] {
    constexpr std::size_t trials = sizes::fairness_trials;
    auto done = make_chan<void>();
    done.close();
    auto data = make_chan<int>(1);
    std::size_t done_first = 0;
    for (std::size_t i = 0; i < trials; ++i) {
      if (data.len() == 0) data.send(1);
      if (ringo::select(ringo::recv(data), ringo::recv(done)) == 1) ++done_first;
    }
    EXPECT(fits(done_first, trials, 0.5));
  });
}

// The clock stands for a timer: a case that becomes ready once, some time after two others that are
// always ready. A fair choice takes it within a few selects.
TEST_CASE("SE-26: a case beside others that are always ready is not starved") {
  run_freely_on_each([] {
    auto stop = make_chan<void>();
    auto busy_a = make_chan<int>();
    auto busy_b = make_chan<int>(1);
    auto clock = make_chan<void>(1);
    fiber_group fibers;
    for (auto& ch : {&busy_a, &busy_b}) {
      fibers.go([&stop, mine = *ch] {
        while (ringo::select(ringo::send(mine, 1), ringo::recv(stop)) == 0) {
        }
      });
    }
    fibers.go([&] {
      let_others_run();
      clock.send();
    });
    std::size_t after_the_tick = 0;
    constexpr std::size_t selects_max = 1000;  // a fair choice needs more once in 3^400 runs
    while (ringo::select(ringo::recv(busy_a), ringo::recv(busy_b), ringo::recv(clock)) != 2) {
      if (clock.len() == 1 && ++after_the_tick > selects_max) break;
    }
    EXPECT(after_the_tick <= selects_max);
    stop.close();
    fibers.join();
  });
}
