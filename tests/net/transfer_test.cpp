// Much data, many writers, and connections that end in between.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include <ringo/net.hpp>
#include <ringo/ringo.hpp>

#include "support/fibers.hpp"
#include "support/kernel_threads.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/sizes.hpp"
#include "support/tcp_pair.hpp"
#include "support/unix_pair.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
namespace net = ringo::net;
using ringo::io::const_buffer;
using std::chrono::steady_clock;

namespace {

// More than the system takes before anybody reads: net.ipv4.tcp_wmem, tcp_rmem.
constexpr std::size_t beyond_buffers = 32 << 20;

/// All until the end of the stream.
std::string read_all(const net::conn& from) {
  std::string all;
  std::string part(70'000, ' ');
  for (;;) {
    const auto n = from.read(part);
    if (!n) {
      EXPECT(n.error() == ringo::errc::eof);
      return all;
    }
    all.append(part, 0, *n);
  }
}

std::string pattern(std::size_t size) {
  std::string made(size, ' ');
  for (std::size_t i = 0; i < size; ++i) made[i] = static_cast<char>((i * 2'654'435'761U) >> 24);
  return made;
}

/// fn(one end, other end) for each kind of stream.
template <typename Fn>
void for_each_stream(Fn&& fn) {
  const tcp_pair v4;
  fn(v4.dialled, v4.accepted);
  const tcp_pair v6("[::1]:0");
  fn(v6.dialled, v6.accepted);
  const unix_pair local;
  fn(local.dialled, local.accepted);
}

}  // namespace

TEST_CASE("NT-3: a write goes on until all is written") {
  run_on_each([] {
    for_each_stream([](const net::conn& a, const net::conn& b) {
      const auto sent = pattern(sizes::pick<std::size_t>(8 << 20, 4 << 20, 1 << 20));
      fiber_group writer;
      writer.go([&] {
        EXPECT(!a.write(sent));
        EXPECT(!a.close());
      });
      EXPECT(read_all(b) == sent);
      writer.join();
    });
  });
}

TEST_CASE(
    "NT-3: a write that its deadline ends has written a part, and write_some tells how much") {
  run_on_each([] {
    for_each_stream([](const net::conn& a, const net::conn& b) {
      const std::string sent(beyond_buffers, 'x');
      EXPECT(!a.set_write_deadline(steady_clock::now() + 20ms));
      EXPECT(a.write(sent) == ringo::errc::deadline_exceeded);
      EXPECT(!a.set_write_deadline({}));
      EXPECT(!a.close());
      const auto got = read_all(b);
      EXPECT(!got.empty());
      EXPECT(got.size() < sent.size());
      EXPECT(got == std::string(got.size(), 'x'));
    });
    tcp_pair pair;
    const std::string sent(beyond_buffers, 'x');
    EXPECT(!pair.dialled.set_write_deadline(steady_clock::now() + 20ms));
    std::size_t done = 0;
    for (;;) {
      const auto n = pair.dialled.write_some({sent.data() + done, sent.size() - done});
      if (!n) break;
      EXPECT(*n > 0);
      done += *n;
    }
    EXPECT(!pair.dialled.close());
    EXPECT(read_all(pair.accepted).size() == done);
  });
}

TEST_CASE("NT-5: what many write at a time stays in one piece each") {
  run_on_each([] {
    for_each_stream([](const net::conn& a, const net::conn& b) {
      constexpr std::size_t writers = 10;
      constexpr std::size_t record = 5'120;
      constexpr auto records = sizes::pick<std::size_t>(100, 50, 20);
      fiber_group all;
      std::atomic<std::size_t> left{writers};
      for (std::size_t i = 0; i < writers; ++i) {
        all.go([&, i] {
          const std::string mine(record, static_cast<char>('a' + i));
          const std::array<const_buffer, 2> pieces{const_buffer(mine.data(), 100),
                                                   const_buffer(mine.data(), record - 100)};
          for (std::size_t k = 0; k < records; ++k) {
            EXPECT(!(k % 2 == 0 ? a.write(mine) : a.write(pieces)));
          }
          if (--left == 0) EXPECT(!a.close());
        });
      }
      const auto got = read_all(b);
      EXPECT(got.size() == writers * record * records);
      bool whole = true;
      for (std::size_t at = 0; at + record <= got.size(); at += record) {
        const auto first = got.begin() + static_cast<std::ptrdiff_t>(at);
        whole = whole && std::all_of(first, first + record, [&](char c) { return c == *first; });
      }
      EXPECT(whole);
      all.join();
    });
  });
}

TEST_CASE("NT-5: one reads and one writes in parallel") {
  run_on_each([] {
    for_each_stream([](const net::conn& a, const net::conn& b) {
      auto reader = go_until_parked("net read", [&] {
        std::string text(8, ' ');
        EXPECT(a.read(text).value() == 4);
      });
      EXPECT(!a.write("ping"));
      EXPECT(!b.write("pong"));
      reader.wait();
    });
  });
}

TEST_CASE("NT-6: close releases whoever reads or writes, or waits for a turn") {
  run_on_each([] {
    for_each_stream([](const net::conn& a, const net::conn&) {
      fiber_group blocked;
      const std::string sent(beyond_buffers, 'x');
      for (int i = 0; i < 3; ++i) {
        blocked.go([&] {
          std::string text(8, ' ');
          EXPECT(a.read(text).error() == ringo::errc::closed);
        });
        blocked.go([&] { EXPECT(a.write(sent) == ringo::errc::closed); });
      }
      wait_until_parked(6);
      EXPECT(!a.close());
      blocked.join();
    });
  });
}

TEST_CASE("NT-8: numbers that are used again never get what was meant for others") {
  run_on_each([] {
    constexpr auto rounds = sizes::pick<int>(200, 100, 50);
    const auto listener = net::listen(net::tcp, "127.0.0.1:0").value();
    fiber_group pairs;
    for (int side = 0; side < 2; ++side) {
      pairs.go([&, side] {
        const std::string mine(100, static_cast<char>('a' + side));
        for (int round = 0; round < rounds; ++round) {
          const unix_pair pair;
          fiber_group reader;
          reader.go([&] {
            std::string text(100, ' ');
            for (;;) {
              const auto n = pair.accepted.read(text);
              if (!n) break;
              EXPECT(text.substr(0, *n) == mine.substr(0, *n));
            }
          });
          EXPECT(!pair.dialled.write(mine));
          if (round % 2 == 0) ringo::yield();
          EXPECT(!pair.accepted.close());  // while it is being read
          EXPECT(!pair.dialled.close());
          reader.join();
        }
      });
    }
    pairs.join();
  });
}

// What polls for room, but also for the other side's end, is told of that again and again.
TEST_CASE(
    "half-close: writers to peers that do not read wait without a thread of the kernel each") {
  constexpr std::size_t count = 20;
  run_on_each([] {
    const std::string much(beyond_buffers, 'x');
    std::vector<tcp_pair> pairs(count);
    std::vector<watched_fiber> writers;
    for (const auto& pair : pairs) {
      EXPECT(!pair.dialled.close_write());
      writers.push_back(
          go_until_parked("net write", [&] { EXPECT(pair.accepted.write(much).operator bool()); }));
    }
    const auto before = ringo::stats().completions;
    for (int i = 0; i < 10'000; ++i) ringo::yield();
    EXPECT(ringo::stats().completions - before <= count);
    EXPECT_EQ(kernel_threads(), 0U);
    for (const auto& pair : pairs) EXPECT(!pair.dialled.close());
    for (auto& writer : writers) writer.wait();
  });
}

TEST_CASE("NT-17: half-close: the other side reads to the end, and can still write") {
  run_on_each([] {
    tcp_pair pair;
    fiber_group echo;
    echo.go([&] {
      const auto all = read_all(pair.accepted);
      EXPECT(!pair.accepted.write(all));
      EXPECT(!pair.accepted.close_write());
    });
    EXPECT(!pair.dialled.write("what is said"));
    EXPECT(!pair.dialled.close_write());
    EXPECT(pair.dialled.write("x") == std::errc::broken_pipe);
    EXPECT(read_all(pair.dialled) == "what is said");
    echo.join();
  });
}

TEST_CASE("NT-17: close_read ends reads, those that wait too") {
  run_on_each([] {
    tcp_pair pair;
    std::string text(8, ' ');
    auto reader = go_until_parked(
        "net read", [&] { EXPECT(pair.dialled.read(text).error() == ringo::errc::eof); });
    EXPECT(!pair.dialled.close_read());
    reader.wait();
    EXPECT(!pair.dialled.write("x"));
    EXPECT(pair.accepted.read(text).value() == 1);
  });
}

TEST_CASE("NT-18: a reset reaches a read and a write that wait, and does not spin") {
  run_on_each([] {
    tcp_pair pair;
    const std::string sent(beyond_buffers, 'x');
    auto reader = go_until_parked("net read", [&] {
      std::string text(8, ' ');
      const auto error = pair.dialled.read(text).error();
      EXPECT((error == std::errc::connection_reset || error == ringo::errc::eof));
    });
    auto writer = go_until_parked("net write", [&] {
      const auto error = pair.dialled.write(sent);
      EXPECT((error == std::errc::connection_reset || error == std::errc::broken_pipe));
    });
    EXPECT(!pair.accepted.set_linger(0ns));
    EXPECT(!pair.accepted.close());
    reader.wait();
    writer.wait();
    std::string text(8, ' ');
    EXPECT(pair.dialled.read(text).error() == ringo::errc::eof);  // the error is told once
  });
}

TEST_CASE("NT-19: writing to a broken connection is an error, each time") {
  run_on_each([] {
    for_each_stream([](const net::conn& a, const net::conn& b) {
      EXPECT(!b.close());
      std::error_code error;
      while (!error) error = a.write("x");
      const std::array<const_buffer, 2> pieces{"one", "two"};
      for (int i = 0; i < 20; ++i) {
        EXPECT(a.write("x") == std::errc::broken_pipe);
        EXPECT(a.write(pieces) == std::errc::broken_pipe);
        EXPECT(a.write_some("x").error() == std::errc::broken_pipe);
      }
    });
  });
}

TEST_CASE("NT-32: many pieces are written in order, whatever the system takes at a time") {
  run_on_each([] {
    for_each_stream([](const net::conn& a, const net::conn& b) {
      constexpr auto count = sizes::pick<std::size_t>(10'000, 5'000, 2'000);
      const auto sent = pattern(count * 150);
      auto random = generator(32);
      std::vector<const_buffer> pieces;
      for (std::size_t at = 0; at < sent.size();) {
        const std::size_t size = std::min<std::size_t>(random() % 300, sent.size() - at);
        pieces.emplace_back(sent.data() + at, size);  // now and then an empty one
        at += size;
      }
      fiber_group writer;
      writer.go([&] {
        EXPECT(!a.write(pieces));
        EXPECT(!a.close());
      });
      EXPECT(read_all(b) == sent);
      writer.join();
    });
  });
}

TEST_CASE("NT-32: a deadline ends the writing of many pieces") {
  run_on_each([] {
    for_each_stream([](const net::conn& a, const net::conn& b) {
      const std::string sent(beyond_buffers, 'x');
      const std::vector<const_buffer> pieces(100, const_buffer(sent.data(), sent.size() / 100));
      EXPECT(!a.set_write_deadline(steady_clock::now() + 20ms));
      EXPECT(a.write(pieces) == ringo::errc::deadline_exceeded);
      EXPECT(!a.close());
      EXPECT(!read_all(b).empty());
    });
  });
}
