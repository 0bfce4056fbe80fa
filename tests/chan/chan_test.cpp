// Channels without close: blocking, non-blocking, length and capacity, nil channels.

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
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

TEST_CASE("CH-1: send and receive on a nil channel park for ever") {
  run_on_each(
      [] {
        const auto sender = go_until_parked("chan send (nil chan)", [] { chan<int>{}.send(1); });
        const auto receiver =
            go_until_parked("chan receive (nil chan)", [] { (void)chan<int>{}.recv(); });
        const auto void_sender =
            go_until_parked("chan send (nil chan)", [] { chan<void>{}.send(); });
        const auto void_receiver =
            go_until_parked("chan receive (nil chan)", [] { (void)chan<void>{}.recv(); });
        let_others_run();
        for (const auto& fiber : {sender, receiver, void_sender, void_receiver}) {
          EXPECT(!fiber.finished());
        }
      },
      leftovers::allowed);
}

TEST_CASE("CH-1: a moved-from channel is nil") {
  chan<int> source = make_chan<int>(1);
  const chan<int> target = std::move(source);
  CHECK(static_cast<bool>(target));
  CHECK_FALSE(static_cast<bool>(source));  // NOLINT(bugprone-use-after-move): that is the promise
  CHECK(source == chan<int>{});
}

TEST_CASE("CH-2: a range loop over a nil channel parks before its body") {
  run_on_each(
      [] {
        const auto fiber = go_until_parked("chan receive (nil chan)", [] {
          for ([[maybe_unused]] const int value : chan<int>{}) EXPECT(false);
        });
        let_others_run();
        EXPECT(!fiber.finished());
      },
      leftovers::allowed);
}

TEST_CASE("CH-2: a nil channel has length and capacity 0") {
  const chan<int> nil;
  CHECK(nil.len() == 0);
  CHECK(nil.cap() == 0);
  const chan<void> nil_void = {};
  CHECK(nil_void.len() == 0);
  CHECK(nil_void.cap() == 0);
  CHECK(ringo::send_chan<int>{}.len() == 0);
  CHECK(ringo::recv_chan<int>{}.cap() == 0);
}

TEST_CASE("CH-2: non-blocking operations on a nil channel do nothing") {
  chan<int> nil;
  CHECK_FALSE(nil.try_send(1));
  const auto result = nil.try_recv();
  CHECK_FALSE(static_cast<bool>(result));
  CHECK_FALSE(result.closed());
}

TEST_CASE("CH-4: make_chan panics when the buffer cannot exist") {
  struct large {
    std::byte bytes[1 << 16];
  };
  constexpr std::ptrdiff_t huge = std::numeric_limits<std::ptrdiff_t>::max();
  const std::string text = "makechan: size out of range";
  CHECK(panic_text([] { make_chan<int>(-1); }) == text);
  CHECK(panic_text([] { make_chan<int>(std::numeric_limits<std::ptrdiff_t>::min()); }) == text);
  CHECK(panic_text([] { make_chan<int>(std::ptrdiff_t{1} << 59); }) == text);
  CHECK(panic_text([] { make_chan<std::int64_t>(std::ptrdiff_t{1} << 61); }) == text);
  CHECK(panic_text([] { make_chan<int>(huge); }) == text);
  CHECK(panic_text([] { make_chan<large>(huge / 2); }) == text);
  CHECK(panic_text([] { make_chan<void>(-1); }) == text);
}

TEST_CASE("CH-4: the panic of make_chan is recoverable") {
  run_on_each([] {
    EXPECT_EQ(panic_text([] { make_chan<int>(-1); }), "makechan: size out of range");
    auto ch = make_chan<int>(1);
    ch.send(7);
    EXPECT_EQ(ch.recv(), std::optional<int>(7));
  });
}

// The counters are plain on purpose: the rendezvous orders them (see CH-33), which TSan checks.
TEST_CASE("CH-5: the second send waits until the receiver comes back for it") {
  run_on_each([] {
    auto ch = make_chan<int>();
    int count = 0;
    const auto receiver = watched_fiber::start([&] {
      (void)ch.recv();
      ++count;
      let_others_run();
      ++count;
      (void)ch.recv();
    });
    ch.send(1);
    ch.send(2);
    EXPECT_EQ(count, 2);
    receiver.wait();
  });
}

TEST_CASE("CH-6: receive on an open, empty channel blocks") {
  run_on_each([] {
    for (std::size_t capacity = 0; capacity < sizes::capacities_max; ++capacity) {
      auto ch = make_chan<int>(static_cast<std::ptrdiff_t>(capacity));
      const auto plain = go_until_parked(parked_in_recv, [&] { (void)ch.recv(); });
      const auto loop = go_until_parked(parked_in_recv, [&] {
        for ([[maybe_unused]] const int value : ch) break;
      });
      const auto select = go_until_parked(
          parked_in_select, [&] { ringo::select(ringo::recv(ch), ringo::recv(chan<int>{})); });
      for (const auto& fiber : {plain, loop, select}) EXPECT(!fiber.finished());
      for (int i = 0; i < 3; ++i) ch.send(i);
      for (const auto& fiber : {plain, loop, select}) fiber.wait();
    }
  });
}

TEST_CASE("CH-7: send returns while the buffer has room and then blocks until a slot is free") {
  run_on_each([] {
    for (std::size_t capacity = 0; capacity < sizes::capacities_max; ++capacity) {
      auto ch = make_chan<int>(static_cast<std::ptrdiff_t>(capacity));
      for (std::size_t i = 0; i < capacity; ++i) ch.send(static_cast<int>(i));
      const auto sender =
          go_until_parked(parked_in_send, [&] { ch.send(static_cast<int>(capacity)); });
      EXPECT_EQ(ch.len(), capacity);
      EXPECT_EQ(ch.recv(), std::optional<int>(0));
      sender.wait();
      for (std::size_t i = 1; i <= capacity; ++i) {
        EXPECT_EQ(ch.recv(), std::optional<int>(static_cast<int>(i)));
      }
    }
  });
}

TEST_CASE("CH-8: a non-blocking operation that cannot proceed has no effect") {
  run_on_each([] {
    for (const std::ptrdiff_t capacity : {0, 1, 3}) {
      auto ch = make_chan<std::unique_ptr<int>>(capacity);
      const auto empty = ch.try_recv();
      EXPECT(!empty);
      EXPECT(!empty.closed());
      for (std::ptrdiff_t i = 0; i < capacity; ++i) {
        EXPECT(ch.try_send(std::make_unique<int>(static_cast<int>(i))));
      }
      auto refused = std::make_unique<int>(99);
      EXPECT(!ch.try_send(std::move(refused)));
      EXPECT(refused != nullptr);  // NOLINT(bugprone-use-after-move): kept, for nothing was sent
      EXPECT_EQ(ch.len(), static_cast<std::size_t>(capacity));
      for (int i = 0; i < capacity; ++i) {
        auto received = ch.try_recv();
        EXPECT(received && **received == i);
        EXPECT(!received.closed());
      }
      EXPECT(!ch.try_recv());
      EXPECT_EQ(ch.len(), std::size_t{0});
    }
  });
}

TEST_CASE("CH-8: a refused try_send of an lvalue copies nothing") {
  run_on_each([] {
    ledger book;
    {
      auto ch = make_chan<tracked>();
      const tracked value(book, 1);
      EXPECT(!ch.try_send(value));
      EXPECT_EQ(book.copies.load(), 0);
    }
    EXPECT_EQ(book.live.load(), 0);
  });
}

// After Go's test/chan/nonblock.go: with a partner that comes at some time, trying again and again
// succeeds, for element types of several sizes.
template <class T>
static void meet_without_blocking(T first, T second) {
  for (const std::ptrdiff_t capacity : {0, 1}) {
    auto ch = make_chan<T>(capacity);
    EXPECT(!ch.try_recv());

    const auto receiver = watched_fiber::start([&] { EXPECT(ch.recv() == first); });
    eventually([&] { return ch.try_send(first); }, "a receiver");
    receiver.wait();

    const auto sender = watched_fiber::start([&] { ch.send(second); });
    std::optional<T> received;
    eventually(
        [&] {
          auto result = ch.try_recv();
          if (result) received = *std::move(result);
          return received.has_value();
        },
        "a sender");
    EXPECT(received == second);
    sender.wait();
  }
}

TEST_CASE("CH-8: non-blocking operations meet blocking partners") {
  run_on_each([] {
    meet_without_blocking<std::int32_t>(123, 234);
    meet_without_blocking<std::int64_t>(123'456, 234'567);
    meet_without_blocking<bool>(true, false);
    meet_without_blocking<std::string>("hello", "hello again");
  });
}

TEST_CASE("CH-9: one sender's values arrive in the order sent") {
  run_on_each([] {
    for (std::size_t capacity = 0; capacity < sizes::capacities_max; ++capacity) {
      auto ch = make_chan<int>(static_cast<std::ptrdiff_t>(capacity));
      const auto sender = watched_fiber::start([&] {
        for (std::size_t i = 0; i < sizes::fifo_values; ++i) ch.send(static_cast<int>(i));
      });
      for (std::size_t i = 0; i < sizes::fifo_values; ++i) {
        EXPECT_EQ(ch.recv(), std::optional<int>(static_cast<int>(i)));
      }
      sender.wait();
    }
  });
}

TEST_CASE("CH-23: capacity is fixed and length counts what is queued") {
  run_on_each([] {
    for (std::size_t capacity = 0; capacity < sizes::capacities_max; ++capacity) {
      auto ch = make_chan<int>(static_cast<std::ptrdiff_t>(capacity));
      for (std::size_t sent = 0; sent < capacity; ++sent) {
        EXPECT_EQ(ch.len(), sent);
        EXPECT_EQ(ch.cap(), capacity);
        ch.send(0);
      }
      EXPECT_EQ(ch.len(), capacity);
      for (std::size_t left = capacity; left > 0; --left) {
        EXPECT_EQ(ch.len(), left);
        (void)ch.recv();
      }
      EXPECT_EQ(ch.len(), std::size_t{0});
      EXPECT_EQ(ch.cap(), capacity);
    }
  });
}

TEST_CASE("CH-23: an unbuffered channel with waiters still has length 0") {
  run_on_each([] {
    auto ch = make_chan<int>();
    const auto sender = go_until_parked(parked_in_send, [&] { ch.send(1); });
    EXPECT_EQ(ch.len(), std::size_t{0});
    EXPECT_EQ(ch.cap(), std::size_t{0});
    (void)ch.recv();
    sender.wait();
  });
}

TEST_CASE("CH-23: length and capacity may be read beside any operation") {
  run_on_each([] {
    constexpr std::size_t capacity = 3;
    auto ch = make_chan<int>(capacity);
    std::atomic<bool> stop = false;
    fiber_group pollers;
    for (int i = 0; i < 2; ++i) {
      pollers.go([&] {
        while (!stop) {
          EXPECT(ch.len() <= capacity);
          EXPECT_EQ(ch.cap(), capacity);
          ringo::yield();
        }
      });
    }
    fiber_group users;
    users.go([&] {
      for (std::size_t i = 0; i < sizes::producer_values; ++i) ch.send(0);
      ch.close();
    });
    users.go([&] {
      std::size_t received = 0;
      for ([[maybe_unused]] const int value : ch) ++received;
      EXPECT_EQ(received, sizes::producer_values);
    });
    users.join();
    stop = true;
    pollers.join();
  });
}

// After Go's TestShrinkStackDuringBlockedSend: values and waiters in the frames of fibers stay good
// while those fibers use much stack between their operations.
static std::size_t use_stack(std::size_t depth) {
  volatile std::byte pad[1024] = {};
  pad[depth % sizeof pad] = std::byte{1};
  const std::size_t below = depth == 0 ? 0 : use_stack(depth - 1);
  return below + static_cast<std::size_t>(pad[depth % sizeof pad]);
}

TEST_CASE("CH-9: values survive deep calls between operations") {
  run_on_each([] {
    constexpr std::size_t depth = 60;
    auto ch = make_chan<std::string>();
    const auto sender = watched_fiber::start([&] {
      for (std::size_t i = 0; i < sizes::deep_stack_rounds; ++i) {
        ch.send("a string too long for its small buffer: " + std::to_string(i));
        EXPECT_EQ(use_stack(depth), depth + 1);
      }
      ch.close();
    });
    std::size_t i = 0;
    for (const std::string& value : ch) {
      EXPECT_EQ(value, "a string too long for its small buffer: " + std::to_string(i++));
      EXPECT_EQ(use_stack(depth), depth + 1);
    }
    EXPECT_EQ(i, sizes::deep_stack_rounds);
    sender.wait();
  });
}
