// Select's operands, destinations and handlers: when they are evaluated, moved from, touched, run.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/select.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/tracked.hpp"

using namespace ringo::test;
using ringo::chan;
using ringo::make_chan;

TEST_CASE("SE-19: every operand is evaluated exactly once, whichever case runs") {
  run_on_each([] {
    auto ready = make_chan<int>(1);
    auto quiet = make_chan<int>();
    chan<int> nil;
    int channels = 0;
    int values = 0;
    const auto channel = [&](chan<int>& ch) -> chan<int>& {
      ++channels;
      return ch;
    };
    const auto value = [&](int v) {
      ++values;
      return v;
    };
    const std::size_t index = ringo::select(ringo::recv(channel(quiet)),
                                            ringo::send(channel(nil), value(1)),
                                            ringo::send(channel(ready), value(2)),
                                            ringo::recv(channel(nil)));
    EXPECT_EQ(index, std::size_t{2});
    EXPECT_EQ(channels, 4);
    EXPECT_EQ(values, 2);
    ringo::select(ringo::send(channel(nil), value(1)), ringo::otherwise);
    EXPECT_EQ(channels, 5);
    EXPECT_EQ(values, 3);
  });
}

TEST_CASE("SE-19: operands are evaluated before any channel is looked at") {
  run_on_each([] {
    // Evaluating the second operand makes the first case ready: select must see it.
    auto ch = make_chan<int>(1);
    chan<int> nil;
    const auto fill = [&] {
      ch.send(5);
      return 1;
    };
    std::optional<int> value;
    EXPECT_EQ(ringo::select(ringo::recv(ch, value), ringo::send(nil, fill()), ringo::otherwise),
              std::size_t{0});
    EXPECT_EQ(value, std::optional<int>(5));
  });
}

TEST_CASE("SE-19: a parked send case keeps the value it was given") {
  run_on_each([] {
    auto ch = make_chan<std::string>();
    const auto quiet = make_chan<int>();
    std::string source = "before";
    const auto sender = go_until_parked(
        parked_in_select, [&] { ringo::select(ringo::send(ch, source), ringo::recv(quiet)); });
    source = "after";
    EXPECT_EQ(ch.recv(), std::optional<std::string>("before"));
    sender.wait();
    EXPECT_EQ(source, "after");
  });
}

// After Go's issue43111.go. The cases are objects here, so that their order is fixed: C++ leaves
// the order of arguments open.
TEST_CASE("SE-20: later changes do not alter operands already evaluated") {
  run_on_each([] {
    auto original = make_chan<int>(1);
    auto variable = original;
    int source = 42;
    auto first = ringo::select_case(ringo::send(variable, source));
    const auto spoil = [&] {
      variable.close();
      variable = {};
      source = 0;
      return 1;
    };
    auto other = make_chan<int>(1);
    auto kept = other;
    auto kept_case = ringo::select_case(ringo::send(kept, source));
    auto second = ringo::select_case(ringo::send(chan<int>{}, spoil()));
    kept = {};
    std::array<ringo::select_case, 2> spoilt = {std::move(first), std::move(second)};
    EXPECT_EQ(panic_text([&] { ringo::select(spoilt); }), "send on closed channel");
    EXPECT_EQ(original.recv(), std::nullopt);
    EXPECT_EQ(ringo::select(std::span(&kept_case, 1)), std::size_t{0});
    EXPECT_EQ(other.recv(), std::optional<int>(42));
  });
}

TEST_CASE("SE-21: an exception from an operand comes before any communication") {
  run_on_each([] {
    auto ready = make_chan<int>(1);
    auto filled = make_chan<int>(1);
    filled.send(1);
    const auto throwing_value = []() -> int { throw std::runtime_error("operand"); };
    const auto throwing_channel = []() -> chan<int> { throw std::runtime_error("operand"); };
    int caught = 0;
    for (int form = 0; form < 4; ++form) {
      try {
        if (form == 0) ringo::select(ringo::send(ready, 1), ringo::send(ready, throwing_value()));
        if (form == 1) ringo::select(ringo::recv(filled), ringo::recv(throwing_channel()));
        if (form == 2) ringo::select(ringo::send(ready, throwing_value()), ringo::recv(filled));
        if (form == 3) ringo::select(ringo::recv(throwing_channel()), ringo::otherwise);
      } catch (const std::runtime_error& error) {
        EXPECT_EQ(std::string(error.what()), "operand");
        ++caught;
      }
    }
    EXPECT_EQ(caught, 4);
    EXPECT_EQ(ready.len(), std::size_t{0});
    EXPECT_EQ(filled.len(), std::size_t{1});
  });
}

TEST_CASE("SE-22: destinations of cases that did not run are not touched") {
  run_on_each([] {
    auto ready = make_chan<int>(1);
    auto quiet = make_chan<int>();
    auto done = make_chan<void>();
    std::optional<int> chosen;
    std::optional<int> other = 7;
    bool flag = true;
    int handled = 0;
    ready.send(1);
    ringo::select(ringo::recv(quiet, other),
                  ringo::recv(ready, chosen),
                  ringo::recv(done, flag),
                  ringo::recv(quiet, [&](std::optional<int>) { ++handled; }),
                  ringo::send(quiet, 1, [&] { ++handled; }));
    EXPECT_EQ(chosen, std::optional<int>(1));
    EXPECT_EQ(other, std::optional<int>(7));
    EXPECT(flag);
    EXPECT_EQ(handled, 0);
    ringo::select(ringo::recv(quiet, other), ringo::recv(done, flag), ringo::otherwise);
    EXPECT_EQ(other, std::optional<int>(7));
    EXPECT(flag);
  });
}

TEST_CASE("SE-22: destinations of a select that panics are not touched") {
  run_on_each([] {
    auto closed = make_chan<int>();
    closed.close();
    auto quiet = make_chan<int>();
    std::optional<int> value = 7;
    EXPECT_EQ(panic_text([&] { ringo::select(ringo::recv(quiet, value), ringo::send(closed, 1)); }),
              "send on closed channel");
    EXPECT_EQ(value, std::optional<int>(7));
  });
}

TEST_CASE("SE-22: handlers run after the choice, the chosen one only, and the index comes back") {
  run_on_each([] {
    auto a = make_chan<int>(1);
    auto b = make_chan<std::string>(1);
    std::string log;
    const auto choose = [&] {
      return ringo::select(ringo::recv(a,
                                       [&](std::optional<int> value) {
                                         log += value ? std::to_string(*value) : "closed";
                                       }),
                           ringo::send(b, "sent", [&] { log += "b"; }),
                           ringo::otherwise([&] { log += "-"; }));
    };
    b.send("full");
    EXPECT_EQ(choose(), std::size_t{2});
    a.send(5);
    EXPECT_EQ(choose(), std::size_t{0});
    (void)b.recv();
    EXPECT_EQ(choose(), std::size_t{1});
    a.close();
    EXPECT_EQ(choose(), std::size_t{0});
    EXPECT_EQ(log, "-5bclosed");
  });
}

TEST_CASE("SE-22: a handler runs on the selecting fiber and may use the same channels") {
  run_on_each([] {
    auto ch = make_chan<int>(1);
    auto other = make_chan<int>(1);
    ch.send(1);
    const auto self = ringo::this_fiber::id();
    int depth = 0;
    ringo::select(ringo::recv(ch, [&](std::optional<int> value) {
      EXPECT(ringo::this_fiber::id() == self);
      ch.send(*value + 1);
      ringo::select(ringo::recv(ch,
                                [&](std::optional<int> inner) {
                                  EXPECT_EQ(inner, std::optional<int>(2));
                                  depth = 2;
                                  ch.close();
                                }),
                    ringo::recv(other));
    }));
    EXPECT_EQ(depth, 2);
  });
}

TEST_CASE("SE-22: a handler may park") {
  run_on_each([] {
    auto ch = make_chan<int>();
    auto reply = make_chan<int>();
    const auto fiber = go_until_parked(parked_in_select, [&] {
      ringo::select(ringo::recv(ch,
                                [&](std::optional<int> value) {
                                  ringo::yield();
                                  reply.send(*value * 2);
                                }),
                    ringo::recv(chan<int>{}));
    });
    ch.send(21);
    EXPECT_EQ(reply.recv(), std::optional<int>(42));
    fiber.wait();
  });
}

TEST_CASE("SE-22: what a handler throws leaves select, the communication stays done") {
  run_on_each([] {
    auto in = make_chan<int>(2);
    auto out = make_chan<int>(1);
    in.send(1);
    in.send(2);
    int caught = 0;
    const auto expect_thrown = [&](auto body) {
      try {
        body();
      } catch (const std::runtime_error&) {
        ++caught;
      }
    };
    const auto fail = [] { throw std::runtime_error("handler"); };
    expect_thrown([&] { ringo::select(ringo::recv(in, [&](std::optional<int>) { fail(); })); });
    EXPECT_EQ(in.len(), std::size_t{1});
    expect_thrown([&] { ringo::select(ringo::send(out, 3, fail)); });
    EXPECT_EQ(out.recv(), std::optional<int>(3));
    expect_thrown([&] { ringo::select(ringo::send(chan<int>{}, 1), ringo::otherwise(fail)); });
    EXPECT_EQ(caught, 3);
    EXPECT_EQ(in.recv(), std::optional<int>(2));
  });
}

TEST_CASE("SE-22: handlers may be move-only and are called as rvalues or lvalues alike") {
  run_on_each([] {
    auto ch = make_chan<std::unique_ptr<int>>(1);
    ch.send(std::make_unique<int>(3));
    int seen = 0;
    ringo::select(ringo::recv(
        ch, [&seen, bonus = std::make_unique<int>(4)](std::optional<std::unique_ptr<int>> value) {
          seen = **value + *bonus;
        }));
    EXPECT_EQ(seen, 7);
  });
}

TEST_CASE("SE-19: send moves from its operand only if its case runs") {
  run_on_each([] {
    auto full = make_chan<std::unique_ptr<int>>(1);
    full.send(std::make_unique<int>(1));
    auto quiet = make_chan<std::unique_ptr<int>>();
    auto ready = make_chan<int>(1);
    auto value = std::make_unique<int>(2);

    ringo::select(ringo::send(full, std::move(value)), ringo::otherwise);
    EXPECT(value != nullptr);  // NOLINT(bugprone-use-after-move): that is the promise
    ready.send(1);
    ringo::select(ringo::send(full, std::move(value)),
                  ringo::recv(ready),
                  ringo::send(quiet, std::move(value)));
    EXPECT(value != nullptr);  // NOLINT(bugprone-use-after-move)

    (void)full.recv();
    ringo::select(ringo::send(full, std::move(value)), ringo::recv(quiet));
    EXPECT(value == nullptr);  // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(**full.recv(), 2);
  });
}

TEST_CASE("SE-19: a parked send moves from its operand only if its case runs") {
  run_on_each([] {
    auto ch = make_chan<std::unique_ptr<int>>();
    auto other = make_chan<int>();
    for (const bool taken : {false, true}) {
      auto value = std::make_unique<int>(5);
      const auto fiber = go_until_parked(parked_in_select, [&] {
        ringo::select(ringo::send(ch, std::move(value)), ringo::recv(other));
      });
      if (taken) {
        EXPECT_EQ(**ch.recv(), 5);
      } else {
        other.send(1);
      }
      fiber.wait();
      EXPECT((value == nullptr) == taken);  // NOLINT(bugprone-use-after-move): that is the promise
    }
  });
}

TEST_CASE("SE-19: a stored select_case owns its value") {
  static_assert(std::is_nothrow_move_constructible_v<ringo::select_case>);
  static_assert(!std::is_copy_constructible_v<ringo::select_case>);
  run_on_each([] {
    ledger book;
    {
      auto ch = make_chan<tracked>(1);
      std::vector<ringo::select_case> cases;
      {
        tracked value(book, 1);
        cases.push_back(ringo::send(ch, std::move(value)));
        EXPECT(!value.holds_value());  // NOLINT(bugprone-use-after-move): that is the promise
        const tracked copied(book, 2);
        cases.push_back(ringo::send(make_chan<tracked>(), copied));
        EXPECT(copied.holds_value());
      }
      EXPECT_EQ(book.copies.load(), 1);
      EXPECT_EQ(book.values.load(), 2);
      cases.reserve(cases.capacity() * 2 + 1);  // moves them
      EXPECT_EQ(ringo::select(cases), std::size_t{0});
      EXPECT_EQ(ch.recv()->value(), 1);
      EXPECT_EQ(book.values.load(), 1);
      cases.clear();
      EXPECT_EQ(book.live.load(), 0);
    }
    EXPECT_EQ(book.copies.load(), 1);
  });
}

TEST_CASE("SE-19: a stored select_case keeps its channel alive") {
  run_on_each([] {
    std::vector<ringo::select_case> cases;
    std::optional<int> value;
    {
      auto ch = make_chan<int>(1);
      ch.send(9);
      cases.push_back(ringo::recv(ch, value));
      cases.push_back(ringo::send(make_chan<int>(), 1));
    }
    EXPECT_EQ(ringo::select(cases), std::size_t{0});
    EXPECT_EQ(value, std::optional<int>(9));
  });
}

TEST_CASE("SE-19: cases are taken as lvalues and rvalues") {
  run_on_each([] {
    auto ch = make_chan<int>(2);
    std::optional<int> value;
    const int one = 1;
    auto sending = ringo::send(ch, one);
    auto receiving = ringo::recv(ch, value);
    EXPECT_EQ(ringo::select(sending, ringo::recv(chan<int>{})), std::size_t{0});
    EXPECT_EQ(ringo::select(std::move(receiving), ringo::otherwise), std::size_t{0});
    EXPECT_EQ(value, std::optional<int>(1));
    auto handler = ringo::otherwise([&] { value = 5; });
    EXPECT_EQ(ringo::select(ringo::recv(ch), handler), std::size_t{1});
    EXPECT_EQ(value, std::optional<int>(5));
  });
}

namespace {

template <class... Cases>
concept selectable = requires(Cases&&... cases) {
  ringo::select(std::forward<Cases>(cases)...);
};

template <class... Cases>
std::size_t select_if_possible(Cases&&... cases) {
  if constexpr (selectable<Cases...>) {
    return ringo::select(std::forward<Cases>(cases)...);
  } else {
    EXPECT(selectable<Cases...>);
    return 99;
  }
}

}  // namespace

TEST_CASE("SE-19: a select_case is taken beside others, as lvalue and rvalue") {
  run_on_each([] {
    auto ch = make_chan<int>(2);
    std::optional<int> value;
    ringo::select_case sending = ringo::send(ch, 1);
    ringo::select_case receiving = ringo::recv(ch, value);
    EXPECT_EQ(select_if_possible(sending, ringo::recv(chan<int>{})), std::size_t{0});
    EXPECT_EQ(select_if_possible(ringo::otherwise, std::move(receiving)), std::size_t{1});
    EXPECT_EQ(value, std::optional<int>(1));
  });
}

// The operand that is evaluated second empties the variable of the channel that was evaluated
// first. (The channel itself must live through the select: see select()'s documentation.) C++
// leaves open which one that is, so either the value comes, or the channel was nil already.
TEST_CASE(
    "SE-20: an operand already evaluated keeps its channel, even if its variable is emptied") {
  run_on_each([] {
    auto ch = make_chan<std::string>(1);
    const auto keeper = ch;
    ch.send("a string too long for its small buffer");
    const auto drop = [&] {
      ch = {};
      return 1;
    };
    std::optional<std::string> value;
    const std::size_t index =
        ringo::select(ringo::recv(ch, value), ringo::send(chan<int>{}, drop()), ringo::otherwise);
    if (index == 0) {
      EXPECT_EQ(value, std::optional<std::string>("a string too long for its small buffer"));
    } else {
      EXPECT_EQ(index, std::size_t{2});
      EXPECT_EQ(value, std::nullopt);
    }
  });
}
