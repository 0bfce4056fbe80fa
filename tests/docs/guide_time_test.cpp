// The code of docs/guide/time.md; see guide_test.cpp.

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <ringo/ringo.hpp>

#include "support/run_on.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;

TEST_CASE("time: at most so long") {
  run_on_each([] {
    const auto answers = ringo::make_chan<int>(1);
    answers.send(7);
    bool late = false;
    // [after]
    std::optional<int> answer;
    late = ringo::select(ringo::recv(answers, answer), ringo::recv(ringo::after(30s))) == 1;
    // [after]
    EXPECT(!late);
    EXPECT(answer == 7);
  });
}

TEST_CASE("time: a deadline for many steps") {
  run_on_each([] {
    const auto answers = ringo::make_chan<int>(3);
    for (int i = 0; i < 3; ++i) answers.send(i);
    answers.close();
    std::vector<int> seen;
    // [deadline]
    const auto end = ringo::now() + 30s;
    while (ringo::now() < end) {
      const auto answer = answers.recv();
      if (!answer) break;
      seen.push_back(*answer);
    }
    // [deadline]
    EXPECT(seen == std::vector<int>{0, 1, 2});
  });
}

TEST_CASE("time: a timer that is set anew by each event") {
  run_on_each([] {
    const auto events = ringo::make_chan<int>(2);
    events.send(1);
    events.send(2);
    int seen = 0;
    const auto quiet = 1ms;
    // [idle]
    const ringo::timer idle(quiet);
    for (;;) {
      if (ringo::select(ringo::recv(events), ringo::recv(idle.channel())) == 1) break;
      ++seen;
      idle.reset(quiet);  // nothing to stop or to drain before
    }
    // [idle]
    EXPECT(seen <= 2);
    EXPECT(!idle.stop());
  });
}

TEST_CASE("time: a ticker") {
  run_on_each([] {
    const auto stop = ringo::make_chan<void>();
    int rounds = 0;
    // [ticker]
    const ringo::ticker every(1ms);
    while (ringo::select(ringo::recv(every.channel()), ringo::recv(stop)) == 0) {
      if (++rounds == 3) stop.close();
    }
    every.stop();
    // [ticker]
    EXPECT(rounds >= 3);
    EXPECT(!every.channel().try_recv());
  });
}

TEST_CASE("time: a function later") {
  run_on_each([] {
    auto cleaned = ringo::make_chan<void>();
    // [after_func]
    const ringo::timer cleaning = ringo::after_func(1ms, [cleaned] { cleaned.close(); });
    // [after_func]
    cleaned.recv();
    EXPECT(!cleaning.stop());
    EXPECT(!cleaning.channel());
  });
}

TEST_CASE("time: the longest durations never end, negative ones are over") {
  run_on_each([] {
    // [saturate]
    const ringo::timer never(std::chrono::hours::max());
    const ringo::timer at_once(-1s);
    // [saturate]
    EXPECT(at_once.channel().recv());
    EXPECT(never.stop());
  });
}
