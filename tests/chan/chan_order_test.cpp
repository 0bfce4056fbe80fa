// Who is served when: queues of waiters, exactly-once delivery, evaluation of operands, memory
// order.

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <numeric>
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

TEST_CASE("CH-10: a full buffer takes the longest-waiting sender's value at its tail") {
  run_on_each([] {
    auto ch = make_chan<int>(1);
    ch.send(1);
    std::vector<watched_fiber> senders;
    for (const int value : {2, 3, 4}) {
      senders.push_back(go_until_parked(parked_in_send, [&, value] { ch.send(value); }));
    }
    for (int expected = 1; expected <= 4; ++expected) {
      EXPECT_EQ(ch.len(), std::size_t{1});
      EXPECT_EQ(ch.recv(), std::optional<int>(expected));
    }
    EXPECT_EQ(ch.len(), std::size_t{0});
    for (const auto& sender : senders) sender.wait();
  });
}

TEST_CASE("CH-10: non-blocking and select receives take turns with parked senders too") {
  run_on_each([] {
    auto ch = make_chan<int>(2);
    ch.send(1);
    ch.send(2);
    std::vector<watched_fiber> senders;
    for (const int value : {3, 4, 5}) {
      senders.push_back(go_until_parked(parked_in_send, [&, value] { ch.send(value); }));
    }
    const auto tried = ch.try_recv();
    EXPECT(tried && *tried == 1);
    std::optional<int> selected;
    ringo::select(ringo::recv(ch, selected), ringo::recv(chan<int>{}));
    EXPECT_EQ(selected, std::optional<int>(2));
    EXPECT_EQ(ch.len(), std::size_t{2});
    for (int expected = 3; expected <= 5; ++expected) {
      EXPECT_EQ(ch.recv(), std::optional<int>(expected));
    }
    for (const auto& sender : senders) sender.wait();
  });
}

// After SynchFifo of Go's test/chan/fifo.go: a daisy chain decides whose turn it is to receive.
TEST_CASE("CH-10: an unbuffered channel is a pure fifo through a chain of receivers") {
  run_on_each([] {
    constexpr int links = 10;
    auto ch = make_chan<int>();
    auto in = make_chan<int>();
    const auto start = in;
    fiber_group fibers;
    for (int i = 0; i < links; ++i) {
      auto out = make_chan<int>();
      fibers.go([ch, in, out, i]() mutable {
        (void)in.recv();
        EXPECT_EQ(ch.recv(), std::optional<int>(i));
        out.send(1);
      });
      in = out;
    }
    start.send(0);
    for (int i = 0; i < links; ++i) ch.send(i);
    (void)in.recv();
    fibers.join();
  });
}

TEST_CASE("CH-11: with four senders and four receivers each value arrives exactly once") {
  constexpr int partners = 4;
  run_on_each([] {
    for (const std::ptrdiff_t capacity : {0, 1, 7, 200}) {
      auto ch = make_chan<std::size_t>(capacity);
      std::array<std::vector<int>, partners> seen;
      fiber_group fibers;
      for (auto& mine : seen) {
        fibers.go([&] {
          for (std::size_t i = 0; i < sizes::producer_values; ++i) ch.send(i);
        });
        fibers.go([&] {
          mine.resize(sizes::producer_values);
          for (std::size_t i = 0; i < sizes::producer_values; ++i) {
            const auto value = ch.recv();
            if (value && *value < mine.size()) ++mine[*value];
          }
        });
      }
      fibers.join();
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < sizes::producer_values; ++i) {
        int times = 0;
        for (const auto& mine : seen) times += mine[i];
        if (times != partners) ++wrong;
      }
      EXPECT_EQ(wrong, std::size_t{0});
      EXPECT_EQ(ch.len(), std::size_t{0});
    }
  });
}

// After Go's TestMultiConsumer.
TEST_CASE("CH-11: many consumers between two channels pass on every item") {
  constexpr std::array primes = {2, 3, 7, 11, 13, 17, 19, 23, 27, 31};
  run_on_each([&] {
    auto work = make_chan<int>(sizes::consumer_fibers * 3);
    auto results = make_chan<int>(sizes::consumer_fibers * 3);
    fiber_group consumers;
    for (std::size_t i = 0; i < sizes::consumer_fibers; ++i) {
      consumers.go([&, favourite = primes[i % primes.size()]] {
        for (const int value : work) {
          if (value == favourite) ringo::yield();  // mess with the order
          results.send(value);
        }
      });
    }
    long long expected = 0;
    const auto feeder = watched_fiber::start([&] {
      for (std::size_t i = 0; i < sizes::consumer_items; ++i) {
        const int value = primes[i % primes.size()];
        expected += value;
        work.send(value);
      }
      work.close();
      consumers.join();
      results.close();
    });
    std::size_t count = 0;
    long long sum = 0;
    for (const int value : results) {
      ++count;
      sum += value;
    }
    feeder.wait();
    EXPECT_EQ(count, sizes::consumer_items);
    EXPECT_EQ(sum, expected);
  });
}

TEST_CASE("CH-12: parked receivers are served in the order of their arrival") {
  run_on_each([] {
    for (const std::ptrdiff_t capacity : {0, 3}) {
      auto ch = make_chan<int>(capacity);
      std::vector<watched_fiber> receivers;
      for (int i = 0; i < 6; ++i) {
        if (i % 2 == 0) {
          receivers.push_back(go_until_parked(
              parked_in_recv, [&, i] { EXPECT_EQ(ch.recv(), std::optional<int>(i)); }));
        } else {
          receivers.push_back(go_until_parked(parked_in_select, [&, i] {
            std::optional<int> value;
            ringo::select(ringo::recv(chan<int>{}), ringo::recv(ch, value));
            EXPECT_EQ(value, std::optional<int>(i));
          }));
        }
      }
      for (int i = 0; i < 6; ++i) ch.send(i);
      for (const auto& receiver : receivers) receiver.wait();
    }
  });
}

TEST_CASE("CH-12: parked senders are served in the order of their arrival") {
  run_on_each([] {
    auto ch = make_chan<int>();
    std::vector<watched_fiber> senders;
    for (int i = 0; i < 6; ++i) {
      if (i % 2 == 0) {
        senders.push_back(go_until_parked(parked_in_send, [&, i] { ch.send(i); }));
      } else {
        senders.push_back(go_until_parked(parked_in_select, [&, i] {
          ringo::select(ringo::send(ch, i), ringo::recv(chan<int>{}));
        }));
      }
    }
    for (int i = 0; i < 6; ++i) EXPECT_EQ(ch.recv(), std::optional<int>(i));
    for (const auto& sender : senders) sender.wait();
  });
}

// The receivers are parked when the sends happen, so nothing may be seen in the buffer, not even
// while they have not run yet.
TEST_CASE("CH-13: a sender hands over to a parked receiver past the buffer") {
  run_on_each([] {
    for (std::size_t round = 0; round < sizes::handover_rounds / 10; ++round) {
      auto ch = make_chan<int>(4);
      const auto first = go_until_parked(parked_in_recv, [&] { (void)ch.recv(); });
      const auto second = go_until_parked(
          parked_in_select, [&] { ringo::select(ringo::recv(ch), ringo::recv(chan<int>{})); });
      ch.send(1);
      EXPECT_EQ(ch.len(), std::size_t{0});
      EXPECT(ch.try_send(2));
      EXPECT_EQ(ch.len(), std::size_t{0});
      ch.send(3);
      EXPECT_EQ(ch.len(), std::size_t{1});
      first.wait();
      second.wait();
      EXPECT_EQ(ch.recv(), std::optional<int>(3));
    }
  });
}

TEST_CASE("CH-13: while a sender is parked the buffer stays full") {
  run_on_each([] {
    auto ch = make_chan<int>(2);
    ch.send(0);
    ch.send(1);
    const auto first = go_until_parked(parked_in_send, [&] { ch.send(2); });
    const auto second = go_until_parked(parked_in_send, [&] { ch.send(3); });
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(ch.len(), static_cast<std::size_t>(i < 2 ? 2 : 4 - i));
      EXPECT_EQ(ch.recv(), std::optional<int>(i));
    }
    first.wait();
    second.wait();
  });
}

TEST_CASE("CH-26: a parked send keeps the value it was given") {
  run_on_each([] {
    auto ch = make_chan<std::string>();
    std::string value = "before";
    const auto sender = go_until_parked(parked_in_send, [&] { ch.send(value); });
    value = "after";
    EXPECT_EQ(ch.recv(), std::optional<std::string>("before"));
    sender.wait();
  });
}

TEST_CASE("CH-26: reassigning the channel variable does not touch a parked operation") {
  run_on_each([] {
    auto original = make_chan<int>();
    auto variable = original;
    const auto sender = go_until_parked(parked_in_send, [&] { variable.send(1); });
    variable = make_chan<int>();
    EXPECT_EQ(original.recv(), std::optional<int>(1));
    EXPECT(!variable.try_recv());
    sender.wait();
  });
}

TEST_CASE("CH-26: channel and value expressions are evaluated once, before communication") {
  run_on_each([] {
    auto ch = make_chan<int>(1);
    int channel_calls = 0;
    int value_calls = 0;
    const auto channel = [&]() -> chan<int>& {
      ++channel_calls;
      return ch;
    };
    const auto value = [&] {
      ++value_calls;
      EXPECT_EQ(ch.len(), std::size_t{0});
      return 7;
    };
    channel().send(value());
    EXPECT_EQ(channel().recv(), std::optional<int>(7));
    EXPECT_EQ(channel_calls, 2);
    EXPECT_EQ(value_calls, 1);
  });
}

// The plain variables in the following cases are the test: ThreadSanitizer reports a missing order.

TEST_CASE("CH-31: what was written before a send is seen after the receive") {
  run_on_each([] {
    for (const std::ptrdiff_t capacity : {0, 1, 8}) {
      auto ch = make_chan<std::size_t>(capacity);
      std::vector<std::size_t> plain(sizes::handover_rounds);
      const auto sender = watched_fiber::start([&] {
        for (std::size_t i = 0; i < plain.size(); ++i) {
          plain[i] = i + 1;
          ch.send(i);
        }
      });
      for (std::size_t i = 0; i < plain.size(); ++i) {
        const std::size_t index = *ch.recv();
        EXPECT_EQ(plain[index], index + 1);
      }
      sender.wait();
    }
  });
}

TEST_CASE("CH-32: what was written before close is seen after receiving the closed state") {
  run_on_each([] {
    for (std::size_t round = 0; round < sizes::handover_rounds; ++round) {
      auto ch = make_chan<int>();
      int published = 0;
      auto by_recv = ringo::spawn([&] {
        EXPECT_EQ(ch.recv(), std::nullopt);
        return published;
      });
      auto by_select = ringo::spawn([&] {
        ringo::select(ringo::recv(ch), ringo::recv(chan<int>{}));
        return published;
      });
      published = 42;
      ch.close();
      EXPECT_EQ(by_recv.join(), 42);
      EXPECT_EQ(by_select.join(), 42);
    }
  });
}

TEST_CASE("CH-33: what was written before an unbuffered receive is seen after the send") {
  run_on_each([] {
    auto ch = make_chan<int>();
    std::vector<int> plain(sizes::handover_rounds);
    const auto receiver = watched_fiber::start([&] {
      for (int& slot : plain) {
        slot = 1;
        (void)ch.recv();
      }
    });
    for (const int& slot : plain) {
      ch.send(0);
      EXPECT_EQ(slot, 1);
    }
    receiver.wait();
  });
}

TEST_CASE("CH-34: a channel of capacity 1 is a lock") {
  run_on_each([] {
    constexpr std::size_t fibers_count = 8;
    auto lock = make_chan<void>(1);
    std::size_t counter = 0;
    fiber_group fibers;
    for (std::size_t i = 0; i < fibers_count; ++i) {
      fibers.go([&] {
        for (std::size_t n = 0; n < sizes::lock_rounds / fibers_count; ++n) {
          lock.send();
          ++counter;
          if (n % 16 == 0) ringo::yield();
          EXPECT(lock.recv());
        }
      });
    }
    fibers.join();
    EXPECT_EQ(counter, sizes::lock_rounds / fibers_count * fibers_count);
  });
}

TEST_CASE("CH-34: a channel of capacity 3 is a counting semaphore") {
  run_on_each([] {
    constexpr int capacity = 3;
    auto tokens = make_chan<void>(capacity);
    std::atomic<int> inside = 0;
    std::atomic<int> inside_max = 0;
    fiber_group fibers;
    for (int i = 0; i < 10; ++i) {
      fibers.go([&] {
        for (std::size_t n = 0; n < sizes::handover_rounds / 5; ++n) {
          tokens.send();
          const int now = ++inside;
          int seen = inside_max;
          while (now > seen && !inside_max.compare_exchange_weak(seen, now)) {
          }
          ringo::yield();
          --inside;
          EXPECT(tokens.recv());
        }
      });
    }
    fibers.join();
    EXPECT(inside_max.load() <= capacity);
    EXPECT_EQ(inside.load(), 0);
  });
}

// Fibers that wait on one channel in a select are woken over others, again and again. Had one of
// them or the plain waiter been woken for nothing, its receive would have returned without a send.
TEST_CASE("CH-36: a blocked operation returns only because it completed") {
  run_on_each([] {
    constexpr std::size_t selectors = 4;
    auto quiet = make_chan<int>();
    auto stop = make_chan<void>();
    std::atomic<int> returned = 0;
    const auto waiter = go_until_parked(parked_in_recv, [&] {
      EXPECT_EQ(quiet.recv(), std::optional<int>(7));
      ++returned;
    });
    auto noise = make_chan<int>();
    fiber_group fibers;
    for (std::size_t i = 0; i < selectors; ++i) {
      fibers.go([&] {
        std::size_t last = 0;
        while (last != 2) {
          last = ringo::select(ringo::recv(quiet), ringo::recv(noise), ringo::recv(stop));
          EXPECT(last != 0);
        }
      });
    }
    for (std::size_t i = 0; i < sizes::handover_rounds; ++i) {
      noise.send(1);
      EXPECT_EQ(returned.load(), 0);
    }
    stop.close();
    fibers.join();
    quiet.send(7);
    waiter.wait();
    EXPECT_EQ(returned.load(), 1);
  });
}
