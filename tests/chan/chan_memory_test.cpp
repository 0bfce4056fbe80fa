// Who owns an element when, and when channels and elements are freed.

#include <doctest/doctest.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/select.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/tracked.hpp"

using namespace ringo::test;
using ringo::chan;
using ringo::make_chan;

TEST_CASE("CH-27: after a receive the channel keeps no reference to the element") {
  run_on_each([] {
    auto ch = make_chan<std::shared_ptr<int>>(3);
    for (int i = 0; i < 7; ++i) {
      ch.send(std::make_shared<int>(i));
      if (i < 2) continue;  // keep two others in the buffer
      const auto received = *ch.recv();
      EXPECT_EQ(*received, i - 2);
      EXPECT_EQ(received.use_count(), 1L);
    }
    EXPECT_EQ(ch.try_recv()->use_count(), 1L);
    std::optional<std::shared_ptr<int>> selected;
    ringo::select(ringo::recv(ch, selected));
    EXPECT_EQ(selected->use_count(), 1L);
  });
}

TEST_CASE("CH-27: an element handed over by a parked sender has one owner") {
  run_on_each([] {
    auto ch = make_chan<std::shared_ptr<int>>();
    const auto sender = go_until_parked(parked_in_send, [&] { ch.send(std::make_shared<int>(1)); });
    const auto received = ch.recv();
    EXPECT_EQ(received->use_count(), 1L);
    sender.wait();

    const auto receiver = go_until_parked(parked_in_recv, [&] {
      const auto mine = ch.recv();
      EXPECT_EQ(mine->use_count(), 1L);
    });
    ch.send(std::make_shared<int>(2));
    receiver.wait();
  });
}

TEST_CASE("CH-27: an element moved in is never copied and is destroyed exactly once") {
  run_on_each([] {
    for (const std::ptrdiff_t capacity : {0, 1, 3}) {
      ledger book;
      {
        auto ch = make_chan<tracked>(capacity);
        const auto sender = watched_fiber::start([&] {
          for (int i = 0; i < 20; ++i) ch.send(tracked(book, i));
          for (int i = 20; i < 30; ++i) ringo::select(ringo::send(ch, tracked(book, i)));
          ch.close();
        });
        int i = 0;
        while (auto value = ch.recv()) {
          EXPECT(value->holds_value());
          EXPECT_EQ(value->value(), i++);
        }
        EXPECT_EQ(i, 30);
        sender.wait();
        EXPECT_EQ(book.values.load(), 0);
      }
      EXPECT_EQ(book.live.load(), 0);
      EXPECT_EQ(book.copies.load(), 0);
    }
  });
}

TEST_CASE("CH-27: an lvalue is copied once") {
  run_on_each([] {
    ledger book;
    {
      auto ch = make_chan<tracked>(4);
      const tracked value(book, 1);
      ch.send(value);
      EXPECT_EQ(book.copies.load(), 1);
      EXPECT(ch.try_send(value));
      EXPECT_EQ(book.copies.load(), 2);
      ringo::select(ringo::send(ch, value));
      EXPECT_EQ(book.copies.load(), 3);
      EXPECT(value.holds_value());
      for (int i = 0; i < 3; ++i) EXPECT_EQ(ch.recv()->value(), 1);
      EXPECT_EQ(book.copies.load(), 3);
    }
    EXPECT_EQ(book.live.load(), 0);
  });
}

TEST_CASE("CH-38: a receive may discard its value, which is consumed and destroyed") {
  run_on_each([] {
    ledger book;
    {
      auto ch = make_chan<tracked>();
      for (const bool by_select : {false, true}) {
        const auto sender = go_until_parked(parked_in_send, [&] { ch.send(tracked(book, 1)); });
        if (by_select) {
          ringo::select(ringo::recv(ch), ringo::recv(chan<int>{}));
        } else {
          (void)ch.recv();
        }
        sender.wait();
        EXPECT_EQ(book.live.load(), 0);
      }
      auto buffered = make_chan<tracked>(2);
      buffered.send(tracked(book, 1));
      buffered.send(tracked(book, 2));
      (void)buffered.recv();
      EXPECT_EQ(book.live.load(), 1);
      ringo::select(ringo::recv(buffered), ringo::otherwise);
      EXPECT_EQ(book.live.load(), 0);
    }
    EXPECT_EQ(book.copies.load(), 0);
  });
}

// After Go's test/chan/select7.go: three ways to receive and discard, three ways to send.
TEST_CASE("CH-38: every way to discard frees every kind of sender") {
  run_on_each([] {
    using operation = void (*)(const chan<int>&);
    const operation receives[] = {
        [](const chan<int>& ch) { (void)ch.recv(); },
        [](const chan<int>& ch) { ringo::select(ringo::recv(ch)); },
        [](const chan<int>& ch) { ringo::select(ringo::recv(ch), ringo::recv(make_chan<int>())); },
    };
    const operation sends[] = {
        [](const chan<int>& ch) { ch.send(1); },
        [](const chan<int>& ch) { ringo::select(ringo::send(ch, 1)); },
        [](const chan<int>& ch) {
          ringo::select(ringo::send(ch, 1), ringo::send(make_chan<int>(), 1));
        },
    };
    for (const auto receive : receives) {
      for (const auto send : sends) {
        const auto ch = make_chan<int>();
        const auto receiver = watched_fiber::start([=] { receive(ch); });
        ringo::yield();
        send(ch);
        receiver.wait();
      }
    }
  });
}

TEST_CASE("CH-39: the last handle frees the channel and what it holds") {
  const auto check = [] {
    ledger book;
    {
      auto ch = make_chan<tracked>(4);
      for (int i = 0; i < 4; ++i) ch.send(tracked(book, i));
      (void)ch.recv();
      ringo::recv_chan<tracked> out = ch;
      ch = {};
      EXPECT_EQ(book.live.load(), 3);
      out = {};
      EXPECT_EQ(book.live.load(), 0);
    }
    {
      auto closed = make_chan<tracked>(2);
      closed.send(tracked(book, 1));
      closed.close();
    }
    EXPECT_EQ(book.live.load(), 0);
    EXPECT_EQ(book.copies.load(), 0);
  };
  run_on_each(check);
}

TEST_CASE("CH-39: a channel that holds handles to other channels frees them") {
  run_on_each([] {
    ledger book;
    {
      auto outer = make_chan<chan<tracked>>(2);
      for (int i = 0; i < 2; ++i) {
        auto inner = make_chan<tracked>(1);
        inner.send(tracked(book, i));
        outer.send(std::move(inner));
      }
      EXPECT_EQ(book.live.load(), 2);
    }
    EXPECT_EQ(book.live.load(), 0);
  });
}

// The waiter stands in the channel's queue while the handle that others used goes away: the waiting
// frame has a handle of its own.
TEST_CASE("CH-39: the handle of a parked fiber keeps the channel alive") {
  run_on_each([] {
    for (std::size_t i = 0; i < sizes::handover_rounds / 10; ++i) {
      auto ch = make_chan<std::string>();
      const auto receiver = watched_fiber::start(
          [mine = ch]() mutable { EXPECT_EQ(mine.recv(), std::optional<std::string>("last")); });
      ch.send("last");
      ch = {};
      receiver.wait();
    }
  });
}

// Sender and receiver drop their handles as soon as their operation has returned: whoever is still
// inside the channel at that time may touch only what its own handle keeps.
TEST_CASE("CH-39: a channel may be freed as soon as the last operation returned") {
  run_on_each([] {
    for (std::size_t i = 0; i < sizes::race_rounds; ++i) {
      auto ch = make_chan<int>(static_cast<std::ptrdiff_t>(i % 2));
      auto sender = ringo::spawn([mine = ch]() mutable { mine.send(1); });
      EXPECT_EQ(std::exchange(ch, {}).recv(), std::optional<int>(1));
      sender.join();
    }
  });
}

TEST_CASE("CH-39: closing through one handle while another is dropped is safe") {
  run_on_each([] {
    for (std::size_t i = 0; i < sizes::race_rounds / 5; ++i) {
      auto ch = make_chan<void>();
      auto closer = ringo::spawn([mine = ch]() mutable { mine.close(); });
      std::exchange(ch, {}).recv();
      closer.join();
    }
  });
}

namespace {

/// Throws from its copy constructor, and from its move constructor, when armed.
struct explosive {
  bool* armed;

  explicit explosive(bool& flag) : armed(&flag) {}
  explosive(const explosive& other) : armed(other.armed) {
    if (*armed) throw std::runtime_error("copy");
  }
  explosive& operator=(const explosive&) = default;
  explosive(explosive&&) noexcept = default;
  explosive& operator=(explosive&&) noexcept = default;
};

}  // namespace

TEST_CASE("CH-26: an exception while the value is copied in leaves the channel as it was") {
  run_on_each([] {
    bool armed = false;
    auto ch = make_chan<explosive>(2);
    const explosive value(armed);
    ch.send(value);
    armed = true;
    int caught = 0;
    try {
      ch.send(value);
    } catch (const std::runtime_error&) {
      ++caught;
    }
    try {
      (void)ch.try_send(value);
    } catch (const std::runtime_error&) {
      ++caught;
    }
    try {
      ringo::select(ringo::send(ch, value), ringo::recv(chan<int>{}));
    } catch (const std::runtime_error&) {
      ++caught;
    }
    EXPECT_EQ(caught, 3);
    EXPECT_EQ(ch.len(), std::size_t{1});
    armed = false;
    ch.send(value);
    EXPECT_EQ(ch.len(), std::size_t{2});
    EXPECT(ch.recv().has_value());
    EXPECT(ch.recv().has_value());
  });
}
