// The core of all I/O: turns, waits, deadlines, close.

#include "io/descriptor.hpp"
#include "io/read_write.hpp"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ringo/context.hpp>
#include <ringo/ringo.hpp>

#include "sched/cancellation.hpp"
#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/sizes.hpp"

using namespace ringo::test;
using namespace ringo::detail;
using namespace std::chrono_literals;

namespace {

struct pair_of_sockets {
  descriptor_handle a;
  descriptor_handle b;

  pair_of_sockets() {
    std::array<int, 2> fds{};
    const int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    EXPECT(::socketpair(AF_UNIX, type, 0, fds.data()) == 0);
    a = descriptor_handle(new descriptor(fds[0], descriptor_kind::socket));
    b = descriptor_handle(new descriptor(fds[1], descriptor_kind::socket));
  }
};

io_outcome read_into(const descriptor_handle& from, std::string& to, cancellation* stop = nullptr) {
  return read_some(*from.get(), to, stop);
}

std::error_code write_to(const descriptor_handle& to,
                         std::string_view text,
                         cancellation* stop = nullptr) {
  return write_all(*to.get(), text, stop).error;
}

bool fd_is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

}  // namespace

TEST_CASE("descriptor: a read waits for what is written") {
  run_on_each([] {
    pair_of_sockets pair;
    auto reader = go_until_parked("net read", [&] {
      std::string text(16, ' ');
      const auto got = read_into(pair.a, text);
      EXPECT(!got.error);
      EXPECT(text.substr(0, static_cast<std::size_t>(got.count)) == "hello");
    });
    EXPECT(!write_to(pair.b, "hello"));
    reader.wait();
  });
}

TEST_CASE("descriptor: a write waits for room, and writes all") {
  run_on_each([] {
    pair_of_sockets pair;
    const std::string sent(4 << 20, 'x');
    auto writer = go_until_parked("net write", [&] { EXPECT(!write_to(pair.a, sent)); });
    std::size_t received = 0;
    std::string part(100'000, ' ');
    while (received < sent.size()) {
      const auto got = read_into(pair.b, part);
      EXPECT(!got.error);
      received += static_cast<std::size_t>(got.count);
    }
    writer.wait();
  });
}

TEST_CASE("NT-1: the end of a stream is eof, after close it is closed") {
  run_on_each([] {
    pair_of_sockets pair;
    std::string text(16, ' ');
    EXPECT(!write_to(pair.b, "last"));
    EXPECT(!pair.b.get()->close());
    EXPECT(read_into(pair.a, text).count == 4);
    EXPECT(read_into(pair.a, text).error == ringo::errc::eof);
    EXPECT(read_into(pair.a, text).error == ringo::errc::eof);
    EXPECT(read_into(pair.b, text).error == ringo::errc::closed);
    EXPECT(write_to(pair.b, "x") == ringo::errc::closed);
    EXPECT(pair.b.get()->close() == ringo::errc::closed);
    EXPECT(write_to(pair.a, "x") == std::errc::broken_pipe);
  });
}

TEST_CASE("NT-6: close wakes whoever is blocked, and those who wait for their turn") {
  run_on_each([] {
    pair_of_sockets pair;
    fiber_group readers;
    for (int i = 0; i < 4; ++i) {
      readers.go([&] {
        std::string text(16, ' ');
        EXPECT(read_into(pair.a, text).error == ringo::errc::closed);
      });
    }
    wait_until_parked(4);
    EXPECT(!pair.a.get()->close());
    readers.join();
  });
}

TEST_CASE("NT-8: the number is closed when close returns") {
  run_on_each([] {
    for (int round = 0; round < 100; ++round) {
      pair_of_sockets pair;
      int number = -1;
      EXPECT(!pair.a.get()->with_number([&](int fd) {
        number = fd;
        return 0;
      }));
      auto reader = ringo::spawn([&] {
        std::string text(16, ' ');
        EXPECT(read_into(pair.a, text).error == ringo::errc::closed);
      });
      if (round % 2 == 0) ringo::yield();
      EXPECT(!pair.a.get()->close());
      EXPECT(!fd_is_open(number));
      reader.join();
    }
  });
}

TEST_CASE(
    "NT-12: a deadline in the past wakes a blocked read; moved on, the connection is usable") {
  run_on_each([] {
    pair_of_sockets pair;
    std::string text(16, ' ');
    auto reader = go_until_parked("net read", [&] {
      EXPECT(read_into(pair.a, text).error == ringo::errc::deadline_exceeded);
    });
    EXPECT(!pair.a.get()->set_deadline(direction::reading, steady_clock::now() - 1s));
    reader.wait();
    EXPECT(!write_to(pair.b, "data"));
    EXPECT(read_into(pair.a, text).error == ringo::errc::deadline_exceeded);  // NT-10
    EXPECT(!write_to(pair.a, "other way"));                                   // NT-13
    EXPECT(!pair.a.get()->set_deadline(direction::reading, never));
    EXPECT(read_into(pair.a, text).count == 4);
  });
}

TEST_CASE("NT-9: a deadline that comes ends the read, and every later one") {
  run_on_each([] {
    pair_of_sockets pair;
    std::string text(16, ' ');
    const time_point until = steady_clock::now() + 5ms;
    EXPECT(!pair.a.get()->set_deadline(direction::reading, until));
    EXPECT(read_into(pair.a, text).error == ringo::errc::deadline_exceeded);
    EXPECT(steady_clock::now() >= until);
    EXPECT(read_into(pair.a, text).error == ringo::errc::deadline_exceeded);
  });
}

TEST_CASE("NT-14: deadlines are moved earlier and later while a read waits") {
  run_on_each([] {
    pair_of_sockets pair;
    descriptor& a = *pair.a.get();
    std::string text(16, ' ');
    EXPECT(!a.set_deadline(direction::reading, steady_clock::now() + 1h));
    auto early = go_until_parked("net read", [&] {
      EXPECT(read_into(pair.a, text).error == ringo::errc::deadline_exceeded);
    });
    EXPECT(!a.set_deadline(direction::reading, steady_clock::now() + 2ms));
    early.wait();
    EXPECT(!a.set_deadline(direction::reading, steady_clock::now() + 2ms));
    auto late = ringo::spawn([&] {
      const auto got = read_into(pair.a, text);
      EXPECT((got.count == 4 || got.error == ringo::errc::deadline_exceeded));
    });
    EXPECT(!a.set_deadline(direction::reading, never));
    EXPECT(!write_to(pair.b, "data"));
    late.join();
  });
}

TEST_CASE("descriptor: a context gives up a read, whether it waits or not") {
  run_on_each([] {
    pair_of_sockets pair;
    std::string text(16, ' ');
    auto [ctx, cancel] = ringo::with_cancel(ringo::background());
    auto reader = go_until_parked("net read", [&, ctx = ctx] {
      EXPECT(read_into(pair.a, text, cancellation_of(ctx)).error == ringo::errc::canceled);
    });
    cancel();
    reader.wait();
    EXPECT(!write_to(pair.b, "data"));
    EXPECT(read_into(pair.a, text, cancellation_of(ctx)).error == ringo::errc::canceled);
    EXPECT(read_into(pair.a, text).count == 4);
  });
}

TEST_CASE("descriptor: plain threads wait too, and are woken by close, deadlines and contexts") {
  run_on_each([] {
    pair_of_sockets pair;
    auto [ctx, cancel] = ringo::with_cancel(ringo::background());
    std::atomic<int> steps{0};
    std::thread outsider([&, ctx = ctx] {
      std::string text(16, ' ');
      EXPECT(read_into(pair.a, text).count == 4);
      ++steps;
      EXPECT(read_into(pair.a, text, cancellation_of(ctx)).error == ringo::errc::canceled);
      ++steps;
      EXPECT(read_into(pair.a, text).error == ringo::errc::deadline_exceeded);
      EXPECT(!pair.a.get()->set_deadline(direction::reading, never));
      ++steps;
      EXPECT(read_into(pair.a, text).error == ringo::errc::closed);
    });
    EXPECT(!write_to(pair.b, "data"));
    eventually([&] { return steps == 1; }, "the first read");
    cancel();
    eventually([&] { return steps == 2; }, "the cancelled read");
    EXPECT(!pair.a.get()->set_deadline(direction::reading, steady_clock::now() + 1ms));
    eventually([&] { return steps == 3; }, "the late read");
    EXPECT(!pair.a.get()->close());
    ringo::blocking([&] { outsider.join(); });
  });
}

TEST_CASE("descriptor: a stream keeps every byte under deadlines and cancellations") {
  const std::uint64_t seed = ringo::test::seed() % 1000;
  CAPTURE(seed);
  run_on_each([seed] {
    constexpr auto total = sizes::pick<std::size_t>(300'000, 50'000, 20'000);
    pair_of_sockets pair;
    auto writer = ringo::spawn([&] {
      std::size_t next = 0;
      std::string part;
      while (next < total) {
        part.clear();
        for (std::size_t i = 0; i < 1 + (next * 7 + seed) % 300 && next < total; ++i) {
          part.push_back(static_cast<char>(next++ % 251));
        }
        EXPECT(!write_to(pair.b, part));
        if (next % 3 == 0) ringo::yield();
      }
      EXPECT(!pair.b.get()->close());
    });
    std::size_t seen = 0;
    bool in_order = true;
    std::string part(512, ' ');
    for (std::uint64_t round = seed;; ++round) {
      const auto patience = std::chrono::microseconds((round * 37) % 200);
      io_outcome got;
      if (round % 2 == 0) {
        EXPECT(!pair.a.get()->set_deadline(direction::reading, steady_clock::now() + patience));
        got = read_into(pair.a, part);
        EXPECT(!pair.a.get()->set_deadline(direction::reading, never));
      } else {
        auto [ctx, cancel] = ringo::with_timeout(ringo::background(), patience);
        got = read_into(pair.a, part, cancellation_of(ctx));
        cancel();
      }
      for (std::int64_t i = 0; i < got.count; ++i) {
        in_order = in_order && part[static_cast<std::size_t>(i)] == static_cast<char>(seen % 251);
        ++seen;
      }
      if (got.error == ringo::errc::eof) break;
      EXPECT((!got.error || got.error == ringo::errc::deadline_exceeded));
    }
    EXPECT(in_order);
    EXPECT(seen == total);
    writer.join();
  });
}

TEST_CASE("descriptor: a fiber that waits at the end of a run leaves the descriptor usable") {
  for_each_worker_count([](std::size_t workers) {
    pair_of_sockets pair;
    run_on(
        workers,
        [&] {
          static_cast<void>(go_until_parked("net read", [&] {
            std::string text(16, ' ');
            static_cast<void>(read_into(pair.a, text));
          }));
        },
        leftovers::allowed);
    run_on(workers, [&] {
      EXPECT(!write_to(pair.b, "data"));
      std::string text(16, ' ');
      EXPECT(read_into(pair.a, text).count == 4);
      auto reader = go_until_parked(
          "net read", [&] { EXPECT(read_into(pair.a, text).error == ringo::errc::closed); });
      EXPECT(!pair.a.get()->close());
      reader.wait();
    });
  });
}

// Whoever reads, waits for the turn, or closes may be dropped wherever the end of the run finds it.
TEST_CASE("descriptor: a close() under way at the end of a run closes the number all the same") {
  for_each_worker_count([](std::size_t workers) {
    for (std::size_t trial = 0; trial < sizes::handover_rounds / 20; ++trial) {
      pair_of_sockets pair;
      const auto read = [&] {
        std::string text(16, ' ');
        static_cast<void>(read_into(pair.a, text));
      };
      run_on(
          workers,
          [&] {
            EXPECT(!pair.a.get()->set_deadline(direction::reading, steady_clock::now() + 1h));
            static_cast<void>(go_until_parked("net read", read));
            static_cast<void>(go_until_parked("io turn", read));
            ringo::go([&] { static_cast<void>(pair.a.get()->close()); });
            for (std::size_t i = trial % 4; i > 0; --i) ringo::yield();
          },
          leftovers::allowed);
      if (!pair.a.get()->is_closed()) EXPECT(!pair.a.get()->close());
      EXPECT(pair.b.get()->with_number([](int fd) {
        char byte = 0;
        return ::recv(fd, &byte, 1, MSG_DONTWAIT) == 0 ? 0 : EBUSY;  // the end
      }) == std::error_code());
    }
  });
}

TEST_CASE("io: a fiber whose calls never wait lets others run") {
  run_on_each([] {
    const pair_of_sockets pair;
    const auto handoffs = ringo::stats().handoffs;
    for (int round = 0; round < 20; ++round) {
      std::atomic<bool> had_a_turn{false};
      ringo::go([&] { had_a_turn = true; });
      int calls = 0;
      for (std::string byte(1, ' '); !had_a_turn; calls += 2) {
        EXPECT(!write_to(pair.a, "x"));
        EXPECT(read_into(pair.b, byte).count == 1);
      }
      // With several workers it may have been taken away, and its thread wait for a CPU.
      if (ringo::workers() == 1) EXPECT(calls <= 200);
    }
    EXPECT(ringo::stats().handoffs == handoffs);
  });
}
