// Deadlines of connections, beyond what every stream is checked for.

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <ringo/net.hpp>
#include <ringo/ringo.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/sizes.hpp"
#include "support/tcp_pair.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
namespace net = ringo::net;
using std::chrono::steady_clock;

TEST_CASE("NT-9: a deadline that was taken back does not end the read that waits") {
  run_on_each([] {
    tcp_pair pair;
    EXPECT(!pair.dialled.set_deadline(steady_clock::now() - 1s));
    EXPECT(!pair.dialled.set_deadline({}));
    auto reader = go_until_parked("net read", [&] {
      std::string text(8, ' ');
      EXPECT(pair.dialled.read(text).value() == 4);
    });
    EXPECT(!pair.dialled.set_read_deadline(steady_clock::now() + 1h));
    EXPECT(!pair.dialled.set_read_deadline(steady_clock::time_point::max()));
    let_others_run();
    EXPECT(!reader.finished());  // it may be awake, to look at the new deadline
    EXPECT(!pair.accepted.write("data"));
    reader.wait();
  });
}

TEST_CASE("NT-10: a deadline that has passed ends reads and writes though they could go on") {
  run_on_each([] {
    tcp_pair pair;
    std::string text(8, ' ');
    EXPECT(!pair.accepted.write("data"));
    EXPECT(!pair.dialled.set_deadline(steady_clock::now() - 1s));
    for (int i = 0; i < 3; ++i) {
      EXPECT(pair.dialled.read(text).error() == ringo::errc::deadline_exceeded);
      EXPECT(pair.dialled.write("x") == ringo::errc::deadline_exceeded);
      EXPECT(pair.dialled.write_some("x").error() == ringo::errc::deadline_exceeded);
    }
    EXPECT(!pair.dialled.set_deadline({}));
    EXPECT(pair.dialled.read(text).value() == 4);
  });
}

TEST_CASE("NT-11: the error of a deadline equals the system's time-out as a condition") {
  run_on_each([] {
    tcp_pair pair;
    std::string text(8, ' ');
    EXPECT(!pair.dialled.set_read_deadline(steady_clock::now() - 1s));
    const auto error = pair.dialled.read(text).error();
    EXPECT(error == ringo::errc::deadline_exceeded);
    EXPECT(error == std::errc::timed_out);
    EXPECT(error.category() == ringo::error_category());
  });
}

TEST_CASE("NT-13: the deadlines of the two directions are independent") {
  run_on_each([] {
    tcp_pair pair;
    std::string text(8, ' ');
    EXPECT(!pair.dialled.set_read_deadline(steady_clock::now() - 1s));
    EXPECT(!pair.dialled.write("x"));
    EXPECT(pair.accepted.read(text).value() == 1);
    EXPECT(!pair.accepted.set_write_deadline(steady_clock::now() - 1s));
    EXPECT(!pair.dialled.write("y"));
    EXPECT(pair.accepted.read(text).value() == 1);
    EXPECT(pair.accepted.write("z") == ringo::errc::deadline_exceeded);
  });
}

TEST_CASE("NT-12: a deadline ends whoever reads when it passes, also one who has just come") {
  run_freely_on_each([] {
    constexpr auto rounds = sizes::pick<int>(300, 100, 50);
    tcp_pair pair;
    for (int round = 0; round < rounds; ++round) {
      auto random = generator(static_cast<std::uint64_t>(round));
      fiber_group readers;
      for (int i = 0; i < 2; ++i) {
        readers.go([&] {
          std::string text(8, ' ');
          for (;;) {
            const auto count = pair.dialled.read(text);
            if (count) continue;
            EXPECT(count.error() == ringo::errc::deadline_exceeded);
            return;
          }
        });
      }
      for (auto i = random() % 4; i > 0; --i) {
        EXPECT(!pair.accepted.write("x"));
        if (random() % 2 == 0) ringo::yield();
      }
      EXPECT(!pair.dialled.set_read_deadline(steady_clock::now() + 1ms));
      if (random() % 2 == 0) EXPECT(!pair.accepted.write("y"));
      readers.join();
      EXPECT(!pair.dialled.set_read_deadline({}));
    }
  });
}

TEST_CASE("NT-14: deadlines that are moved all the time end nothing that they should not") {
  run_freely_on_each([] {
    constexpr auto rounds = sizes::pick<int>(1000, 300, 150);
    tcp_pair pair;
    std::atomic<bool> over{false};
    fiber_group others;
    for (int i = 0; i < 3; ++i) {
      others.go([&, i] {
        while (!over) {
          const auto in = std::chrono::microseconds(2) * (i + 1);
          EXPECT(!pair.dialled.set_deadline(steady_clock::now() + in));
          ringo::yield();
        }
      });
    }
    others.go([&] {
      std::string text(8, ' ');
      while (pair.accepted.read(text)) {
      }
    });
    std::string text(8, ' ');
    for (int i = 0; i < rounds; ++i) {
      const auto read = pair.dialled.read(text).error();
      EXPECT(read == ringo::errc::deadline_exceeded);
      const auto written = pair.dialled.write("x");
      EXPECT((!written || written == ringo::errc::deadline_exceeded));
    }
    over = true;
    EXPECT(!pair.accepted.close_read());
    EXPECT(!pair.dialled.close_write());
    others.join();
    // None of the timers that were set is still to come.
    EXPECT(!pair.dialled.set_deadline({}));
    EXPECT(!pair.accepted.write("data"));
    EXPECT(pair.dialled.read(text).value() == 4);
  });
}

TEST_CASE("NT-14: a deadline beyond all time is none") {
  run_on_each([] {
    tcp_pair pair;
    for (const auto until : {steady_clock::time_point::max(),
                             steady_clock::time_point::max() - 1ns,
                             steady_clock::now() + 24h * 365 * 100}) {
      EXPECT(!pair.dialled.set_deadline(until));
      auto reader = go_until_parked("net read", [&] {
        std::string text(8, ' ');
        EXPECT(pair.dialled.read(text).value() == 4);
      });
      EXPECT(!pair.accepted.write("data"));
      reader.wait();
    }
  });
}

TEST_CASE("NT-15: deadlines are never early, from a nanosecond on") {
  run_freely_on_each([] {
    tcp_pair pair;
    std::string text(8, ' ');
    for (const auto in : std::initializer_list<std::chrono::nanoseconds>{
             1ns, 5ns, 50ns, 500ns, 1us, 5us, 50us, 500us, 1ms, 5ms, 20ms}) {
      for (int i = 0; i < 3; ++i) {
        const auto until = steady_clock::now() + in;
        EXPECT(!pair.dialled.set_read_deadline(until));
        EXPECT(pair.dialled.read(text).error() == ringo::errc::deadline_exceeded);
        EXPECT(steady_clock::now() >= until);
      }
    }
  });
}
