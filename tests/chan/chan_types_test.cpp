// Element types, directions and handles.

#include <doctest/doctest.h>

#include <array>
#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/select.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"

using namespace ringo::test;
using ringo::chan;
using ringo::make_chan;
using ringo::recv_chan;
using ringo::send_chan;

namespace {

struct nothing {
  bool operator==(const nothing&) const = default;
};

template <class Channel>
concept can_send = requires(Channel ch) {
  ch.send(1);
};
template <class Channel>
concept can_try_send = requires(Channel ch) {
  ch.try_send(1);
};
template <class Channel>
concept can_receive = requires(Channel ch) {
  ch.recv();
};
template <class Channel>
concept can_try_receive = requires(Channel ch) {
  ch.try_recv();
};
template <class Channel>
concept can_range = requires(Channel ch) {
  ch.begin();
};
template <class Channel>
concept can_close = requires(Channel ch) {
  ch.close();
};
template <class Channel>
concept can_select_send = requires(Channel ch) {
  ringo::send(ch, 1);
};
template <class Channel>
concept can_select_receive = requires(Channel ch) {
  ringo::recv(ch);
};

template <class T>
void round_trip(T value, T same) {
  for (const std::ptrdiff_t capacity : {0, 1}) {
    auto ch = make_chan<T>(capacity);
    const auto sender = watched_fiber::start([&] { ch.send(value); });
    EXPECT(ch.recv() == std::optional<T>(same));
    sender.wait();

    const auto selector = watched_fiber::start(
        [&] { ringo::select(ringo::send(ch, value), ringo::recv(chan<int>{})); });
    std::optional<T> selected;
    ringo::select(ringo::recv(chan<int>{}), ringo::recv(ch, selected));
    EXPECT(selected == std::optional<T>(same));
    selector.wait();
  }
}

}  // namespace

TEST_CASE("CH-24: elements of an empty type count against the capacity") {
  run_on_each([] {
    auto unbuffered = make_chan<nothing>();
    EXPECT(!unbuffered.try_send(nothing{}));
    auto ch = make_chan<nothing>(1);
    EXPECT(ch.try_send(nothing{}));
    EXPECT(!ch.try_send(nothing{}));
    EXPECT_EQ(ch.len(), std::size_t{1});
    EXPECT(ch.recv().has_value());
    EXPECT(!ch.try_recv());
  });
}

TEST_CASE("CH-24: chan<void> counts its signals") {
  run_on_each([] {
    auto ch = make_chan<void>(2);
    EXPECT_EQ(ch.cap(), std::size_t{2});
    EXPECT(ch.try_send());
    ch.send();
    EXPECT(!ch.try_send());
    EXPECT_EQ(ch.len(), std::size_t{2});
    EXPECT(ch.recv());
    const auto second = ch.try_recv();
    EXPECT(second);
    EXPECT(!second.closed());
    const auto none = ch.try_recv();
    EXPECT(!none);
    EXPECT(!none.closed());
    ch.close();
    EXPECT(!ch.recv());
    EXPECT(ch.try_recv().closed());
  });
}

TEST_CASE("CH-16: try_recv tells a value, nothing yet, and closed apart") {
  static_assert(!std::convertible_to<decltype(make_chan<int>().try_recv()), bool>);
  run_on_each([] {
    auto ch = make_chan<std::string>(2);
    ch.send("first");
    ch.send("");
    const auto first = ch.try_recv();
    EXPECT(first);
    EXPECT_EQ(*first, "first");
    EXPECT_EQ(first->size(), std::size_t{5});
    EXPECT(!first.closed());
    ch.close();
    const auto last = ch.try_recv();
    EXPECT(last);
    EXPECT(last->empty());
    EXPECT(!last.closed());
    const auto none = ch.try_recv();
    EXPECT(!none);
    EXPECT(none.closed());
    const auto open = make_chan<std::string>().try_recv();
    EXPECT(!open);
    EXPECT(!open.closed());
  });
}

TEST_CASE("CH-24: chan<void> blocks and wakes as any other") {
  run_on_each([] {
    auto ch = make_chan<void>();
    const auto receiver = go_until_parked(parked_in_recv, [&] { EXPECT(ch.recv()); });
    ch.send();
    receiver.wait();
    const auto sender = go_until_parked(parked_in_send, [&] { ch.send(); });
    EXPECT(ch.recv());
    sender.wait();
    const auto last = go_until_parked(parked_in_recv, [&] { EXPECT(!ch.recv()); });
    ch.close();
    last.wait();
  });
}

TEST_CASE("CH-25: elements of any type arrive intact") {
  run_on_each([] {
    round_trip<bool>(true, true);
    round_trip<char>('x', 'x');
    round_trip<double>(1.5, 1.5);
    round_trip<std::string>("hello", "hello");
    round_trip<std::string>(std::string(1000, 'a'), std::string(1000, 'a'));
    round_trip<std::vector<int>>({1, 2, 3}, {1, 2, 3});
    round_trip<std::array<std::size_t, 64>>({1, 2, 3}, {1, 2, 3});
    round_trip<std::optional<int>>(std::nullopt, std::nullopt);
    round_trip<std::variant<int, std::string>>("either", "either");
    round_trip<const char*>(nullptr, nullptr);
    round_trip<nothing>({}, {});
  });
}

TEST_CASE("CH-25: an over-aligned element is aligned wherever it is stored") {
  struct alignas(64) wide {
    int value;
  };
  run_on_each([] {
    for (const std::ptrdiff_t capacity : {0, 3}) {
      auto ch = make_chan<wide>(capacity);
      const auto sender = watched_fiber::start([&] {
        for (int i = 0; i < 7; ++i) ch.send({i});
        ch.close();
      });
      int i = 0;
      while (const auto received = ch.recv()) {
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&*received) % alignof(wide), std::uintptr_t{0});
        EXPECT_EQ(received->value, i++);
      }
      EXPECT_EQ(i, 7);
      sender.wait();
    }
  });
}

TEST_CASE("CH-25: a move-only element passes every operation") {
  run_on_each([] {
    for (const std::ptrdiff_t capacity : {0, 1}) {
      auto ch = make_chan<std::unique_ptr<int>>(capacity);
      const auto sender = watched_fiber::start([&] {
        ch.send(std::make_unique<int>(1));
        eventually([&] { return ch.try_send(std::make_unique<int>(2)); });
        ringo::select(ringo::send(ch, std::make_unique<int>(3)));
        std::vector<ringo::select_case> cases;
        cases.push_back(ringo::send(ch, std::make_unique<int>(4)));
        ringo::select(cases);
        ch.close();
      });
      std::vector<int> received;
      received.push_back(**ch.recv());
      std::optional<std::unique_ptr<int>> destination;
      ringo::select(ringo::recv(ch, destination));
      received.push_back(destination ? **destination : 0);
      ringo::select(ringo::recv(ch, [&](std::optional<std::unique_ptr<int>> value) {
        received.push_back(value ? **value : 0);
      }));
      for (auto&& value : ch) {
        const std::unique_ptr<int> owned = std::move(value);
        received.push_back(*owned);
      }
      EXPECT(received == std::vector{1, 2, 3, 4});
      sender.wait();
    }
  });
}

TEST_CASE("CH-25: a channel is sent through a channel and answers come back on it") {
  run_on_each([] {
    struct request {
      int argument;
      chan<int> reply;
    };
    auto requests = make_chan<request>();
    const auto server = watched_fiber::start([&] {
      for (auto&& incoming : requests) incoming.reply.send(incoming.argument * 2);
    });
    fiber_group clients;
    for (int client = 0; client < 4; ++client) {
      clients.go([&, client] {
        auto reply = make_chan<int>();
        for (int i = 0; i < 25; ++i) {
          requests.send({client * 100 + i, reply});
          EXPECT_EQ(reply.recv(), std::optional<int>(2 * (client * 100 + i)));
        }
      });
    }
    clients.join();
    requests.close();
    server.wait();
  });
}

// After Go's test/chan/sendstmt.go: `case <-cc <- 2` in C++ dress.
TEST_CASE("CH-25: a received channel may be a select operand") {
  run_on_each([] {
    auto channels = make_chan<chan<int>>(1);
    auto ch = make_chan<int>(1);
    channels.send(ch);
    const std::size_t index = ringo::select(ringo::send(*channels.recv(), 2), ringo::otherwise);
    EXPECT_EQ(index, std::size_t{0});
    EXPECT_EQ(ch.recv(), std::optional<int>(2));
  });
}

TEST_CASE("CH-25: a closed element channel and a closed outer channel are told apart") {
  run_on_each([] {
    auto outer = make_chan<std::optional<int>>(1);
    outer.send(std::nullopt);
    outer.close();
    const auto first = outer.recv();
    EXPECT(first.has_value());
    EXPECT(first && !first->has_value());
    EXPECT(!outer.recv().has_value());
  });
}

TEST_CASE("CH-28: a channel converts to its directions and never back") {
  static_assert(std::convertible_to<chan<int>, send_chan<int>>);
  static_assert(std::convertible_to<chan<int>, recv_chan<int>>);
  static_assert(std::convertible_to<chan<void>, send_chan<void>>);
  static_assert(std::convertible_to<chan<void>, recv_chan<void>>);
  static_assert(!std::constructible_from<chan<int>, send_chan<int>>);
  static_assert(!std::constructible_from<chan<int>, recv_chan<int>>);
  static_assert(!std::constructible_from<send_chan<int>, recv_chan<int>>);
  static_assert(!std::constructible_from<recv_chan<int>, send_chan<int>>);
  static_assert(!std::constructible_from<send_chan<long>, chan<int>>);
  static_assert(!std::constructible_from<recv_chan<void>, chan<int>>);
  static_assert(!std::assignable_from<chan<int>&, send_chan<int>>);
  static_assert(!std::assignable_from<chan<int>&, recv_chan<int>>);

  static_assert(can_send<chan<int>> && can_receive<chan<int>> && can_close<chan<int>>);
  static_assert(can_send<send_chan<int>> && can_try_send<send_chan<int>>);
  static_assert(!can_send<recv_chan<int>> && !can_try_send<recv_chan<int>>);
  static_assert(can_receive<recv_chan<int>> && can_try_receive<recv_chan<int>>);
  static_assert(!can_receive<send_chan<int>> && !can_try_receive<send_chan<int>>);
  static_assert(can_range<recv_chan<int>> && !can_range<send_chan<int>>);
  static_assert(can_select_send<send_chan<int>> && !can_select_send<recv_chan<int>>);
  static_assert(can_select_receive<recv_chan<int>> && !can_select_receive<send_chan<int>>);

  run_on_each([] {
    auto ch = make_chan<int>(1);
    send_chan<int> in = ch;
    const recv_chan<int> out = ch;
    in.send(1);
    EXPECT_EQ(out.len(), std::size_t{1});
    EXPECT_EQ(in.cap(), std::size_t{1});
    EXPECT_EQ(out.recv(), std::optional<int>(1));
    ringo::select(ringo::send(in, 2), ringo::recv(chan<int>{}));
    std::optional<int> selected;
    ringo::select(ringo::recv(out, selected), ringo::recv(chan<int>{}));
    EXPECT_EQ(selected, std::optional<int>(2));
  });
}

TEST_CASE("CH-29: only a channel that can send can close") {
  static_assert(can_close<send_chan<int>>);
  static_assert(!can_close<recv_chan<int>>);
  static_assert(!can_close<recv_chan<void>>);
  run_on_each([] {
    auto ch = make_chan<int>();
    send_chan<int>(ch).close();
    EXPECT_EQ(recv_chan<int>(ch).recv(), std::nullopt);
  });
}

TEST_CASE("CH-30: handles are references, compared by identity") {
  const auto first = make_chan<int>(1);
  const auto second = make_chan<int>(1);
  auto copy = first;
  CHECK(copy == first);
  CHECK(first != second);
  CHECK(chan<int>{} == chan<int>{});
  CHECK(first != chan<int>{});
  CHECK(send_chan<int>(first) == first);
  CHECK(first == recv_chan<int>(copy));
  CHECK(send_chan<int>(first) == recv_chan<int>(first));
  CHECK(send_chan<int>(first) != recv_chan<int>(second));

  CHECK(copy.try_send(5));
  CHECK(first.len() == 1);
  copy = second;
  CHECK(copy == second);
  CHECK(first.len() == 1);
  CHECK(static_cast<bool>(first));
  static_assert(!std::convertible_to<chan<int>, bool>, "only explicitly");
}

TEST_CASE("CH-30: handles swap, copy-assign and self-assign as values do") {
  auto first = make_chan<int>(1);
  auto second = make_chan<int>(2);
  std::swap(first, second);
  CHECK(first.cap() == 2);
  CHECK(second.cap() == 1);
  auto& alias = first;
  first = alias;
  CHECK(first.cap() == 2);
  first = {};
  CHECK_FALSE(static_cast<bool>(first));
  static_assert(std::is_nothrow_move_constructible_v<chan<int>>);
  static_assert(std::is_nothrow_move_assignable_v<chan<int>>);
  static_assert(std::is_copy_constructible_v<chan<std::unique_ptr<int>>>);
}
