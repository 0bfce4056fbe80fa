// Select: when it blocks, when it does not, and that one case is the plain operation.

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/select.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"

using namespace ringo::test;
using ringo::chan;
using ringo::make_chan;

static const std::string send_on_closed = "send on closed channel";

TEST_CASE("SE-3: otherwise runs only when no case is ready") {
  run_on_each([] {
    auto ready = make_chan<int>(1);
    auto full = make_chan<int>(1);
    full.send(0);
    std::size_t defaults = 0;
    for (std::size_t i = 0; i < sizes::default_rounds; ++i) {
      ready.send(1);
      if (ringo::select(ringo::otherwise, ringo::send(full, 1), ringo::recv(ready)) != 2)
        ++defaults;
      if (ringo::select(ringo::send(full, 1), ringo::recv(ready), ringo::otherwise) != 2)
        ++defaults;
    }
    EXPECT_EQ(defaults, std::size_t{0});
    EXPECT_EQ(full.len(), std::size_t{1});
  });
}

TEST_CASE("SE-3: the index of otherwise is its place in the list") {
  run_on_each([] {
    const auto quiet = make_chan<int>();
    EXPECT_EQ(ringo::select(ringo::otherwise), std::size_t{0});
    EXPECT_EQ(ringo::select(ringo::otherwise, ringo::recv(quiet)), std::size_t{0});
    EXPECT_EQ(ringo::select(ringo::recv(quiet), ringo::otherwise), std::size_t{1});
    EXPECT_EQ(ringo::select(ringo::recv(quiet), ringo::otherwise, ringo::send(quiet, 1)),
              std::size_t{1});
    auto ready = make_chan<int>(1);
    EXPECT_EQ(ringo::select(ringo::otherwise, ringo::send(ready, 1)), std::size_t{1});
    EXPECT_EQ(ringo::select(ringo::recv(quiet), ringo::otherwise, ringo::recv(ready)),
              std::size_t{2});
  });
}

TEST_CASE("SE-3: otherwise runs its handler and only then") {
  run_on_each([] {
    auto ch = make_chan<int>(1);
    int handled = 0;
    EXPECT_EQ(ringo::select(ringo::recv(ch), ringo::otherwise([&] { ++handled; })), std::size_t{1});
    EXPECT_EQ(handled, 1);
    ch.send(1);
    EXPECT_EQ(ringo::select(ringo::recv(ch), ringo::otherwise([&] { ++handled; })), std::size_t{0});
    EXPECT_EQ(handled, 1);
  });
}

TEST_CASE("SE-3: two otherwise in one select panic before anything is communicated") {
  run_on_each([] {
    auto ch = make_chan<int>(1);
    const std::string text = "select: more than one otherwise";
    EXPECT_EQ(panic_text([] { ringo::select(ringo::otherwise, ringo::otherwise); }), text);
    EXPECT_EQ(panic_text([&] {
                ringo::select(ringo::otherwise, ringo::send(ch, 1), ringo::otherwise([] {}));
              }),
              text);
    std::vector<ringo::select_case> cases;
    cases.push_back(ringo::otherwise);
    cases.push_back(ringo::send(ch, 1));
    cases.push_back(ringo::otherwise);
    EXPECT_EQ(panic_text([&] { ringo::select(cases); }), text);
    EXPECT_EQ(ch.len(), std::size_t{0});
  });
}

TEST_CASE("SE-4: select parks until the first case can proceed") {
  run_on_each([] {
    auto a = make_chan<int>();
    auto b = make_chan<int>();
    for (const std::size_t which : {std::size_t{0}, std::size_t{1}, std::size_t{2}}) {
      std::size_t chosen = 99;
      std::optional<int> from_a = 100;
      std::optional<int> from_b = 100;
      auto full = make_chan<int>(1);
      full.send(5);
      const auto fiber = go_until_parked(parked_in_select, [&] {
        chosen =
            ringo::select(ringo::recv(a, from_a), ringo::recv(b, from_b), ringo::send(full, 6));
      });
      let_others_run();
      EXPECT(!fiber.finished());
      if (which == 0) a.send(1);
      if (which == 1) b.send(2);
      if (which == 2) EXPECT_EQ(full.recv(), std::optional<int>(5));
      fiber.wait();
      EXPECT_EQ(chosen, which);
      EXPECT_EQ(from_a, std::optional<int>(which == 0 ? 1 : 100));
      EXPECT_EQ(from_b, std::optional<int>(which == 1 ? 2 : 100));
      EXPECT_EQ(full.recv(), std::optional<int>(which == 2 ? 6 : 5));
      if (which != 2) EXPECT(!full.try_recv());
    }
  });
}

// After Go's test/chan/select4.go.
TEST_CASE("SE-4: select proceeds at once with the ready case") {
  run_on_each([] {
    auto ready = make_chan<int>(1);
    const auto quiet = make_chan<int>();
    ready.send(42);
    int received = 0;
    ringo::select(ringo::recv(quiet, [](std::optional<int>) { EXPECT(false); }),
                  ringo::recv(ready, [&](std::optional<int> value) { received = *value; }));
    EXPECT_EQ(received, 42);
  });
}

TEST_CASE("SE-5: select without cases parks for ever") {
  run_on_each(
      [] {
        const auto direct = go_until_parked("select (no cases)", [] { ringo::select(); });
        const auto dynamic = go_until_parked("select (no cases)", [] {
          std::vector<ringo::select_case> none;
          ringo::select(none);
        });
        let_others_run();
        EXPECT(!direct.finished());
        EXPECT(!dynamic.finished());
      },
      leftovers::allowed);
}

TEST_CASE("SE-6: cases on nil channels are never ready") {
  run_on_each([] {
    chan<int> nil;
    std::optional<int> value = 1;
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(ringo::select(ringo::recv(nil, value), ringo::otherwise), std::size_t{1});
      EXPECT_EQ(ringo::select(ringo::send(nil, 1), ringo::otherwise), std::size_t{1});
      EXPECT_EQ(
          ringo::select(
              ringo::send(nil, 1), ringo::recv(nil), ringo::recv(chan<void>{}), ringo::otherwise),
          std::size_t{3});
    }
    EXPECT_EQ(value, std::optional<int>(1));
    auto ready = make_chan<int>(1);
    EXPECT_EQ(ringo::select(ringo::send(nil, 1), ringo::send(ready, 1), ringo::recv(nil)),
              std::size_t{1});
  });
}

TEST_CASE("SE-6: a select of nil channels only parks for ever") {
  run_on_each(
      [] {
        std::vector<watched_fiber> fibers;
        const auto park = [&](auto body) { fibers.push_back(watched_fiber::start(body)); };
        park([] { ringo::select(ringo::recv(chan<int>{})); });
        park([] { ringo::select(ringo::send(chan<int>{}, 7)); });
        park([] { ringo::select(ringo::recv(chan<int>{}), ringo::send(chan<int>{}, 7)); });
        wait_until_parked(fibers.size());
        let_others_run();
        for (const auto& fiber : fibers) EXPECT(!fiber.finished());
      },
      leftovers::allowed);
}

// After Go's test/chan/select.go.
TEST_CASE("SE-7: a variable set to nil disables its case") {
  run_on_each([] {
    unsigned evaluations = 0;
    unsigned shift = 0;
    const auto next_value = [&] {
      ++evaluations;
      return 1u << shift;
    };
    const auto send_to = [&](chan<unsigned> a, chan<unsigned> b) {
      int sent = 0;
      for (;; ++shift) {
        switch (ringo::select(
            ringo::send(a, next_value()), ringo::send(b, next_value()), ringo::otherwise)) {
          case 0:
            ++sent;
            a = {};
            break;
          case 1:
            ++sent;
            b = {};
            break;
          default: return sent;
        }
      }
    };
    auto a = make_chan<unsigned>(1);
    auto b = make_chan<unsigned>(1);
    EXPECT_EQ(send_to(a, b), 2);
    const unsigned from_a = *a.recv();
    const unsigned from_b = *b.recv();
    EXPECT_EQ(from_a | from_b, 3u);
    EXPECT_EQ(send_to(a, {}), 1);
    EXPECT_EQ(evaluations, 10u);
  });
}

TEST_CASE("SE-7: a merge loop drains its inputs and turns each off when it ends") {
  run_on_each([] {
    auto a = make_chan<int>();
    auto b = make_chan<int>(3);
    const auto feed = [](chan<int> ch, int count) {
      for (int i = 0; i < count; ++i) ch.send(i);
      ch.close();
    };
    fiber_group feeders;
    feeders.go([=] { feed(a, 100); });
    feeders.go([=] { feed(b, 50); });
    int from_a = 0;
    int from_b = 0;
    while (a || b) {
      std::optional<int> value;
      const bool is_a = ringo::select(ringo::recv(a, value), ringo::recv(b, value)) == 0;
      if (!value) {
        (is_a ? a : b) = {};
        continue;
      }
      int& next = is_a ? from_a : from_b;
      EXPECT_EQ(*value, next);
      ++next;
    }
    EXPECT_EQ(from_a, 100);
    EXPECT_EQ(from_b, 50);
    feeders.join();
  });
}

TEST_CASE("SE-11: a receive case on a closed channel is always ready and empty") {
  run_on_each([] {
    auto closed = make_chan<int>();
    closed.close();
    const auto quiet = make_chan<int>();
    auto done = make_chan<void>();
    done.close();
    for (int i = 0; i < 100; ++i) {
      std::optional<int> value = 1;
      EXPECT_EQ(ringo::select(ringo::recv(quiet), ringo::recv(closed, value)), std::size_t{1});
      EXPECT_EQ(value, std::nullopt);
      bool ok = true;
      EXPECT_EQ(ringo::select(ringo::recv(done, ok), ringo::otherwise), std::size_t{0});
      EXPECT(!ok);
    }
  });
}

TEST_CASE("SE-13: close completes a parked receive case as closed") {
  run_on_each([] {
    auto a = make_chan<int>();
    auto b = make_chan<int>();
    const auto fiber = go_until_parked(parked_in_select, [&] {
      std::optional<int> value = 1;
      EXPECT_EQ(ringo::select(ringo::send(b, 1), ringo::recv(a, value)), std::size_t{1});
      EXPECT_EQ(value, std::nullopt);
    });
    a.close();
    EXPECT_EQ(fiber.wait(), "");
    EXPECT(!b.try_recv());
  });
}

TEST_CASE("SE-13: close makes a parked send case panic") {
  run_on_each([] {
    auto a = make_chan<int>();
    auto b = make_chan<int>();
    const auto fiber = go_until_parked(parked_in_select,
                                       [&] { ringo::select(ringo::recv(a), ringo::send(b, 1)); });
    b.close();
    EXPECT_EQ(fiber.wait(), send_on_closed);
    EXPECT(!a.try_send(1));
    EXPECT_EQ(b.recv(), std::nullopt);
  });
}

TEST_CASE("SE-14: close wakes every select that is parked on the channel") {
  run_on_each([] {
    auto done = make_chan<void>();
    auto other = make_chan<int>();
    std::atomic<std::size_t> woken = 0;
    fiber_group fibers;
    for (std::size_t i = 0; i < sizes::broadcast_fibers; ++i) {
      fibers.go([&] {
        bool ok = true;
        EXPECT_EQ(ringo::select(ringo::recv(other), ringo::recv(done, ok)), std::size_t{1});
        EXPECT(!ok);
        ++woken;
      });
    }
    wait_until_parked(sizes::broadcast_fibers);
    done.close();
    fibers.join();
    EXPECT_EQ(woken.load(), sizes::broadcast_fibers);
    EXPECT(!other.try_send(1));
  });
}

TEST_CASE("SE-23: value, closed flag and discard forms, fresh at every selection") {
  run_on_each([] {
    // After Go's issue8347.go: one variable for all rounds, close in the middle.
    auto ch = make_chan<void>(1);
    bool ok = true;
    for (int i = 0; i < 12; ++i) {
      ringo::select(ringo::recv(ch, ok), ringo::otherwise);
      if (i < 10) EXPECT(ok);
      if (i >= 10 && ok) ch.close();
    }
    EXPECT(!ok);

    auto values = make_chan<int>(2);
    std::optional<int> value;
    values.send(1);
    values.send(0);
    values.close();
    ringo::select(ringo::recv(values, value));
    EXPECT_EQ(value, std::optional<int>(1));
    ringo::select(ringo::recv(values, value));
    EXPECT_EQ(value, std::optional<int>(0));
    ringo::select(ringo::recv(values, value));
    EXPECT_EQ(value, std::nullopt);
    EXPECT_EQ(ringo::select(ringo::recv(values)), std::size_t{0});
  });
}

TEST_CASE("SE-23: handlers of chan<void> take bool or nothing") {
  run_on_each([] {
    auto done = make_chan<void>(2);
    done.send();
    done.send();
    done.close();
    std::vector<int> seen;
    for (int i = 0; i < 2; ++i) {
      ringo::select(ringo::recv(done, [&](bool ok) { seen.push_back(ok ? 1 : 0); }));
      ringo::select(ringo::recv(done, [&] { seen.push_back(2); }));
    }
    EXPECT(seen == std::vector{1, 2, 0, 2});
    auto signals = make_chan<void>(2);
    EXPECT_EQ(ringo::select(ringo::send(signals), ringo::otherwise), std::size_t{0});
    ringo::select(ringo::send(signals, [&] { seen.push_back(3); }), ringo::otherwise);
    EXPECT_EQ(seen.back(), 3);
    EXPECT_EQ(signals.len(), std::size_t{2});
  });
}
