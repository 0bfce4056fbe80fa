// SE-8: the channel rules again, with each operation in several dresses: plain, a select of one
// case, a select beside a case that is never ready, and run-time sets. After Go's
// test/closedchan.go.

#include <doctest/doctest.h>

#include <cstddef>
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

namespace {

/// What a non-blocking receive came to.
struct attempt {
  bool done;                 // a value or closed
  std::optional<int> value;  // empty: closed, or not done
};

struct dress {
  const char* name;
  void (*send)(const chan<int>&, int);
  bool (*try_send)(const chan<int>&, int);
  std::optional<int> (*recv)(const chan<int>&);
  attempt (*try_recv)(const chan<int>&);
  const char* parked_send;
  const char* parked_recv;
};

chan<int> never() {
  return make_chan<int>();
}

constexpr dress plain = {
    "plain operation",
    [](const chan<int>& ch, int value) { ch.send(value); },
    [](const chan<int>& ch, int value) { return ch.try_send(value); },
    [](const chan<int>& ch) { return ch.recv(); },
    [](const chan<int>& ch) {
      const auto result = ch.try_recv();
      return attempt{result || result.closed(), result ? std::optional(*result) : std::nullopt};
    },
    parked_in_send,
    parked_in_recv,
};

constexpr dress one_case = {
    "select of one case",
    [](const chan<int>& ch, int value) { ringo::select(ringo::send(ch, value)); },
    [](const chan<int>& ch, int value) {
      return ringo::select(ringo::otherwise, ringo::send(ch, value)) == 1;
    },
    [](const chan<int>& ch) {
      std::optional<int> value;
      ringo::select(ringo::recv(ch, value));
      return value;
    },
    [](const chan<int>& ch) {
      std::optional<int> value;
      return attempt{ringo::select(ringo::recv(ch, value), ringo::otherwise) == 0, value};
    },
    nullptr,
    nullptr,
};

constexpr dress two_cases = {
    "select beside a quiet case",
    [](const chan<int>& ch, int value) {
      EXPECT_EQ(ringo::select(ringo::send(ch, value), ringo::recv(never())), std::size_t{0});
    },
    [](const chan<int>& ch, int value) {
      return ringo::select(ringo::otherwise, ringo::recv(never()), ringo::send(ch, value)) == 2;
    },
    [](const chan<int>& ch) {
      std::optional<int> received;
      ringo::select(ringo::send(never(), 1),
                    ringo::recv(ch, [&](std::optional<int> value) { received = value; }));
      return received;
    },
    [](const chan<int>& ch) {
      std::optional<int> value;
      return attempt{
          ringo::select(ringo::recv(never()), ringo::otherwise, ringo::recv(ch, value)) == 2,
          value};
    },
    parked_in_select,
    parked_in_select,
};

constexpr dress run_time_set = {
    "run-time set",
    [](const chan<int>& ch, int value) {
      std::vector<ringo::select_case> cases;
      cases.push_back(ringo::send(ch, value));
      ringo::select(cases);
    },
    [](const chan<int>& ch, int value) {
      std::vector<ringo::select_case> cases;
      cases.push_back(ringo::send(ch, value));
      cases.push_back(ringo::otherwise);
      return ringo::select(cases) == 0;
    },
    [](const chan<int>& ch) {
      std::optional<int> value;
      std::vector<ringo::select_case> cases;
      cases.push_back(ringo::recv(never()));
      cases.push_back(ringo::recv(ch, value));
      EXPECT_EQ(ringo::select(cases), std::size_t{1});
      return value;
    },
    [](const chan<int>& ch) {
      std::optional<int> value;
      std::vector<ringo::select_case> cases;
      cases.push_back(ringo::otherwise);
      cases.push_back(ringo::recv(ch, value));
      return attempt{ringo::select(cases) == 1, value};
    },
    nullptr,
    parked_in_select,
};

constexpr dress dresses[] = {plain, one_case, two_cases, run_time_set};

template <class Body>
void in_each_dress(Body body) {
  for (const dress& op : dresses) {
    CAPTURE(op.name);
    run_on_each([&] { body(op); });
  }
}

template <class F>
watched_fiber start_and_park(const char* reason, F fn) {
  if (reason != nullptr) return go_until_parked(reason, fn);
  // A select of one case may park as the plain operation does or as a select: Go does the first.
  const std::size_t parked = ringo::test::parked_fibers();
  const watched_fiber fiber = watched_fiber::start(fn);
  wait_until_parked(parked + 1);
  return fiber;
}

const std::string send_on_closed = "send on closed channel";

void expect_closed_and_empty(const dress& op, const chan<int>& ch) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(op.recv(ch), std::nullopt);
    const attempt tried = op.try_recv(ch);
    EXPECT(tried.done);
    EXPECT_EQ(tried.value, std::nullopt);
    EXPECT_EQ(panic_text([&] { op.try_send(ch, 1); }), send_on_closed);
    EXPECT_EQ(op.recv(ch), std::nullopt);
    EXPECT_EQ(panic_text([&] { op.send(ch, 2); }), send_on_closed);
    EXPECT_EQ(op.recv(ch), std::nullopt);
  }
}

}  // namespace

TEST_CASE("SE-8: a closed channel behaves the same in every dress") {
  in_each_dress([](const dress& op) {
    auto unbuffered = make_chan<int>();
    unbuffered.close();
    expect_closed_and_empty(op, unbuffered);

    for (const bool blocking : {true, false}) {
      auto buffered = make_chan<int>(2);
      buffered.send(1);
      buffered.close();
      if (blocking) {
        EXPECT_EQ(op.recv(buffered), std::optional<int>(1));
      } else {
        const attempt tried = op.try_recv(buffered);
        EXPECT(tried.done);
        EXPECT_EQ(tried.value, std::optional<int>(1));
      }
      expect_closed_and_empty(op, buffered);
    }
  });
}

TEST_CASE("SE-8: receive blocks on an empty channel in every dress") {
  in_each_dress([](const dress& op) {
    for (const std::ptrdiff_t capacity : {0, 1, 3}) {
      auto ch = make_chan<int>(capacity);
      const attempt tried = op.try_recv(ch);
      EXPECT(!tried.done);
      const auto first =
          start_and_park(op.parked_recv, [&] { EXPECT_EQ(op.recv(ch), std::optional<int>(1)); });
      const auto second =
          start_and_park(op.parked_recv, [&] { EXPECT_EQ(op.recv(ch), std::nullopt); });
      EXPECT(!first.finished());
      op.send(ch, 1);
      first.wait();
      EXPECT(!second.finished());
      ch.close();
      second.wait();
    }
  });
}

TEST_CASE("SE-8: send blocks on a full channel in every dress") {
  in_each_dress([](const dress& op) {
    for (const int capacity : {0, 1, 3}) {
      auto ch = make_chan<int>(capacity);
      for (int i = 0; i < capacity; ++i) op.send(ch, i);
      EXPECT(!op.try_send(ch, 99));
      const auto first = start_and_park(op.parked_send, [&] { op.send(ch, capacity); });
      const auto second = start_and_park(op.parked_send, [&] { op.send(ch, 100); });
      EXPECT_EQ(ch.len(), static_cast<std::size_t>(capacity));
      EXPECT_EQ(op.recv(ch), std::optional<int>(0));
      EXPECT_EQ(first.wait(), "");
      EXPECT(!second.finished());
      ch.close();
      EXPECT_EQ(second.wait(), send_on_closed);
      for (int i = 1; i <= capacity; ++i) EXPECT_EQ(op.recv(ch), std::optional<int>(i));
      EXPECT_EQ(op.recv(ch), std::nullopt);
    }
  });
}

TEST_CASE("SE-8: values flow in order between every pair of dresses") {
  for (const dress& sending : dresses) {
    for (const dress& receiving : dresses) {
      CAPTURE(sending.name);
      CAPTURE(receiving.name);
      run_on_each([&] {
        for (const std::ptrdiff_t capacity : {0, 2}) {
          auto ch = make_chan<int>(capacity);
          // Both sides try without blocking at times, but never for the same value: two that only
          // try would not meet on an unbuffered channel.
          const auto sender = watched_fiber::start([&] {
            for (std::size_t i = 0; i < sizes::fifo_values; ++i) {
              const int value = static_cast<int>(i);
              if (i % 4 == 0) {
                eventually([&] { return sending.try_send(ch, value); });
              } else {
                sending.send(ch, value);
              }
            }
          });
          for (std::size_t i = 0; i < sizes::fifo_values; ++i) {
            std::optional<int> value;
            if (i % 4 != 2) {
              value = receiving.recv(ch);
            } else {
              eventually([&] {
                const attempt tried = receiving.try_recv(ch);
                value = tried.value;
                return tried.done;
              });
            }
            EXPECT_EQ(value, std::optional<int>(static_cast<int>(i)));
          }
          sender.wait();
        }
      });
    }
  }
}

TEST_CASE("SE-8: a nil channel blocks in every dress") {
  for (const dress& op : dresses) {
    CAPTURE(op.name);
    run_on_each(
        [&] {
          EXPECT(!op.try_send({}, 1));
          EXPECT(!op.try_recv({}).done);
          const auto sender = watched_fiber::start([&] { op.send({}, 1); });
          const auto receiver = watched_fiber::start([&] { op.recv({}); });
          wait_until_parked(2);
          let_others_run();
          EXPECT(!sender.finished());
          EXPECT(!receiver.finished());
        },
        leftovers::allowed);
  }
}
