// Close: what it does to values, waiters, later operations, and the panics around it.

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/error.hpp>
#include <ringo/select.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/tracked.hpp"

using namespace ringo::test;
using ringo::chan;
using ringo::make_chan;

static const std::string send_on_closed = "send on closed channel";
static const std::string close_of_closed = "close of closed channel";
static const std::string close_of_nil = "close of nil channel";

TEST_CASE("CH-3: close of a nil channel panics") {
  CHECK(panic_text([] { chan<int>{}.close(); }) == close_of_nil);
  CHECK(panic_text([] { chan<void>{}.close(); }) == close_of_nil);
  CHECK(panic_text([] { ringo::send_chan<int>{}.close(); }) == close_of_nil);
  run_on_each([] { EXPECT_EQ(panic_text([] { chan<int>{}.close(); }), close_of_nil); });
}

TEST_CASE("CH-14: after close the buffered values come first, in order") {
  struct test_case {
    const char* name;
    std::ptrdiff_t capacity;
    std::vector<int> sent;
  };
  const test_case cases[] = {
      {"unbuffered", 0, {}},
      {"empty buffer", 3, {}},
      {"partly full", 3, {1}},
      {"full", 3, {1, 2, 3}},
  };
  for (const auto& row : cases) {
    CAPTURE(row.name);
    for_each_worker_count([&](std::size_t workers) {
      std::vector<int> received;
      bool closed = false;
      run_on(workers, [&] {
        auto ch = make_chan<int>(row.capacity);
        for (const int value : row.sent) ch.send(value);
        ch.close();
        while (const auto value = ch.recv()) received.push_back(*value);
        closed = ch.try_recv().closed();
      });
      CHECK(received == row.sent);
      CHECK(closed);
    });
  }
}

TEST_CASE("CH-14: a buffer whose ring has wrapped is drained in order") {
  run_on_each([] {
    auto ch = make_chan<int>(3);
    for (int i = 0; i < 3; ++i) ch.send(i);
    EXPECT_EQ(ch.recv(), std::optional<int>(0));
    EXPECT_EQ(ch.recv(), std::optional<int>(1));
    ch.send(3);
    ch.send(4);
    ch.close();
    EXPECT_EQ(ch.len(), std::size_t{3});
    for (int i = 2; i < 5; ++i) EXPECT_EQ(ch.recv(), std::optional<int>(i));
    EXPECT_EQ(ch.recv(), std::nullopt);
  });
}

TEST_CASE("CH-15: receive on a closed, empty channel always returns at once") {
  run_on_each([] {
    for (const std::ptrdiff_t capacity : {0, 2}) {
      auto ch = make_chan<int>(capacity);
      ch.close();
      fiber_group receivers;
      for (int i = 0; i < 8; ++i) {
        receivers.go([&] {
          for (std::size_t n = 0; n < sizes::closed_receives; ++n) EXPECT(!ch.recv());
          const auto tried = ch.try_recv();
          EXPECT(!tried);
          EXPECT(tried.closed());
          for ([[maybe_unused]] const int value : ch) EXPECT(false);
        });
      }
      receivers.join();
    }
  });
}

TEST_CASE("CH-16: a zero that was sent is told from closed") {
  run_on_each([] {
    for (const std::ptrdiff_t capacity : {1, 2}) {
      auto ch = make_chan<int>(capacity);
      ch.send(0);
      ch.close();
      const auto first = ch.try_recv();
      EXPECT(first && *first == 0);
      EXPECT(!first.closed());
      const auto second = ch.try_recv();
      EXPECT(!second);
      EXPECT(second.closed());
      EXPECT_EQ(ch.recv(), std::nullopt);
    }
  });
}

TEST_CASE("CH-17: close wakes every parked receiver") {
  run_on_each([] {
    auto ch = make_chan<int>();
    std::atomic<std::size_t> woken = 0;
    fiber_group receivers;
    for (std::size_t i = 0; i < sizes::parked_receivers; ++i) {
      receivers.go([&] {
        EXPECT_EQ(ch.recv(), std::nullopt);
        ++woken;
      });
    }
    wait_until_parked(sizes::parked_receivers);
    EXPECT_EQ(woken.load(), std::size_t{0});
    ch.close();
    receivers.join();
    EXPECT_EQ(woken.load(), sizes::parked_receivers);
  });
}

TEST_CASE("CH-18: close makes every parked sender panic, its value is never received") {
  run_on_each([] {
    ledger book;
    {
      auto ch = make_chan<tracked>();
      std::vector<watched_fiber> senders;
      for (int i = 0; i < 5; ++i) {
        senders.push_back(go_until_parked(parked_in_send, [&, i] { ch.send(tracked(book, i)); }));
      }
      ch.close();
      for (const auto& sender : senders) EXPECT_EQ(sender.wait(), send_on_closed);
      EXPECT(!ch.recv());
      EXPECT_EQ(book.live.load(), 0);
    }
  });
}

// close() wakes many waiters in batches. Whoever sees the close in between may receive what is in
// the buffer, which makes room; no parked sender must be let in there.
TEST_CASE("CH-18: once the close was seen, no sender that was parked succeeds") {
  constexpr auto senders = sizes::pick<int>(1'000, 500, 200);
  constexpr auto rounds = sizes::pick<int>(30, 10, 5);
  run_freely_on_each([&] {
    for (int round = 0; round < rounds; ++round) {
      auto ch = make_chan<int>(1);
      ch.send(-1);
      std::atomic<int> sent{0};
      std::atomic<int> received{0};
      fiber_group fibers;
      for (int i = 0; i < senders; ++i) {
        fibers.go([&, i] {
          if (panic_text([&] { ch.send(i); }).empty()) ++sent;
          while (ch.recv()) ++received;
        });
      }
      wait_until_parked(senders);
      ch.close();
      fibers.join();
      EXPECT_EQ(sent, 0);
      EXPECT_EQ(received, 1);
    }
  });
}

TEST_CASE("CH-18: close makes a sender parked on chan<void> panic") {
  run_on_each([] {
    auto ch = make_chan<void>();
    const auto sender = go_until_parked(parked_in_send, [&] { ch.send(); });
    ch.close();
    EXPECT_EQ(sender.wait(), send_on_closed);
    EXPECT(!ch.recv());
  });
}

TEST_CASE("CH-19: values buffered before close stay receivable though parked sends panic") {
  run_on_each([] {
    for (const int capacity : {1, 3}) {
      auto ch = make_chan<int>(capacity);
      for (int i = 1; i <= capacity; ++i) ch.send(i);
      const auto first = go_until_parked(parked_in_send, [&] { ch.send(101); });
      const auto second = go_until_parked(parked_in_send, [&] { ch.send(102); });
      ch.close();
      EXPECT_EQ(first.wait(), send_on_closed);
      EXPECT_EQ(second.wait(), send_on_closed);
      for (int i = 1; i <= capacity; ++i) EXPECT_EQ(ch.recv(), std::optional<int>(i));
      EXPECT_EQ(ch.recv(), std::nullopt);
    }
  });
}

TEST_CASE("CH-20: send on a closed channel panics whatever room there is, and changes nothing") {
  run_on_each([] {
    for (const std::ptrdiff_t capacity : {0, 2}) {
      auto ch = make_chan<int>(capacity);
      ch.close();
      int value = 1;
      for (int round = 0; round < 3; ++round) {
        EXPECT_EQ(panic_text([&] { ch.send(1); }), send_on_closed);
        EXPECT_EQ(panic_text([&] { (void)ch.try_send(value); }), send_on_closed);
        EXPECT_EQ(panic_text([&] { (void)ch.try_send(2); }), send_on_closed);
        EXPECT_EQ(ch.len(), std::size_t{0});
        EXPECT_EQ(ch.recv(), std::nullopt);
      }
    }
    auto done = make_chan<void>(1);
    done.close();
    EXPECT_EQ(panic_text([&] { done.send(); }), send_on_closed);
    EXPECT_EQ(panic_text([&] { (void)done.try_send(); }), send_on_closed);
    EXPECT(!done.recv());
  });
}

TEST_CASE("CH-21: close of a closed channel panics") {
  run_on_each([] {
    auto ch = make_chan<int>(1);
    ch.send(5);
    ch.close();
    EXPECT_EQ(panic_text([&] { ch.close(); }), close_of_closed);
    EXPECT_EQ(ch.recv(), std::optional<int>(5));
    EXPECT_EQ(panic_text([&] { ch.close(); }), close_of_closed);
  });
}

TEST_CASE("CH-21: of two fibers that close one channel exactly one panics") {
  run_on_each([] {
    std::size_t panics = 0;
    for (std::size_t round = 0; round < sizes::race_rounds; ++round) {
      auto ch = make_chan<int>();
      auto other = ringo::spawn([ch]() mutable { return panic_text([&] { ch.close(); }); });
      const std::string mine = panic_text([&] { ch.close(); });
      const std::string theirs = other.join();
      EXPECT((mine.empty() ? theirs : mine) == close_of_closed);
      EXPECT(mine.empty() != theirs.empty());
      if (mine.empty() != theirs.empty()) ++panics;
    }
    EXPECT_EQ(panics, sizes::race_rounds);
  });
}

TEST_CASE("CH-22: channel panics are one recoverable type") {
  static_assert(std::is_base_of_v<std::logic_error, ringo::panic_error>);
  run_on_each([] {
    auto closed = make_chan<int>();
    closed.close();
    int caught = 0;
    const auto count_panic = [&](auto misuse) {
      try {
        misuse();
      } catch (const std::logic_error&) {
        ++caught;
      }
    };
    count_panic([&] { closed.send(1); });
    count_panic([&] { closed.close(); });
    count_panic([] { chan<int>{}.close(); });
    count_panic([] { make_chan<int>(-1); });
    count_panic([&] { ringo::select(ringo::send(closed, 1)); });
    EXPECT_EQ(caught, 5);

    auto healthy = make_chan<int>();
    const auto sender = watched_fiber::start([&] { healthy.send(3); });
    EXPECT_EQ(healthy.recv(), std::optional<int>(3));
    sender.wait();
  });
}

TEST_CASE("CH-22: a fiber that caught the panic of its parked send goes on") {
  run_on_each([] {
    auto first = make_chan<int>();
    auto second = make_chan<int>();
    const auto sender = go_until_parked(parked_in_send, [&] {
      EXPECT_EQ(panic_text([&] { first.send(1); }), send_on_closed);
      second.send(2);
    });
    first.close();
    EXPECT_EQ(second.recv(), std::optional<int>(2));
    EXPECT_EQ(sender.wait(), "");
  });
}

TEST_CASE("CH-29: any fiber may close, though others still send") {
  run_freely_on_each([] {
    auto ch = make_chan<int>();
    std::vector<watched_fiber> senders;
    for (int i = 0; i < 4; ++i) {
      senders.push_back(watched_fiber::start([&] {
        for (;;) ch.send(1);
      }));
    }
    const auto receiver = watched_fiber::start([&] {
      for ([[maybe_unused]] const int value : ch) {
      }
    });
    const auto closer = watched_fiber::start([&] {
      let_others_run();
      ringo::send_chan<int>(ch).close();
    });
    EXPECT_EQ(closer.wait(), "");
    EXPECT_EQ(receiver.wait(), "");
    for (const auto& sender : senders) EXPECT_EQ(sender.wait(), send_on_closed);
  });
}

// After Go's TestNonblockRecvRace. The value is there from the start; main's close and receive race
// with the fiber's try. Whatever comes first, the fiber finds a value or a closed channel.
TEST_CASE("CH-35: a non-blocking receive beside close never finds open and empty") {
  run_on_each([] {
    std::size_t misses = 0;
    for (std::size_t round = 0; round < sizes::race_rounds; ++round) {
      auto ch = make_chan<int>(1);
      ch.send(1);
      auto attempt = ringo::spawn([ch]() mutable {
        const auto result = ch.try_recv();
        return static_cast<bool>(result) || result.closed();
      });
      ch.close();
      (void)ch.recv();
      if (!attempt.join()) ++misses;
    }
    EXPECT_EQ(misses, std::size_t{0});
  });
}

TEST_CASE("CH-36: close beside senders and receivers leaves nobody parked and loses no value") {
  run_on_each([] {
    for (std::size_t round = 0; round < sizes::handover_rounds; ++round) {
      auto ch = make_chan<int>(static_cast<std::ptrdiff_t>(round % 3));
      std::atomic<int> sent = 0;
      std::atomic<int> received = 0;
      fiber_group fibers;
      for (int i = 0; i < 3; ++i) {
        fibers.go([&] {
          const std::string panic = panic_text([&] {
            for (int n = 0; n < 10; ++n) {
              ch.send(n);
              ++sent;
            }
          });
          EXPECT(panic.empty() || panic == send_on_closed);
        });
        fibers.go([&] {
          for ([[maybe_unused]] const int value : ch) ++received;
        });
      }
      fibers.go([&] { ch.close(); });
      fibers.join();
      EXPECT_EQ(received.load(), sent.load());
    }
  });
}
