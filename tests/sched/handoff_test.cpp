// Fibers that compute on and on, or sit in a system call that nobody announced, and those that must
// go on beside them. Each hog here waits for what only the others can do: were their worker's turn
// not given to another one, no test would end.

#include <ringo/blocking.hpp>

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <random>
#include <string>
#include <thread>

#include <ringo/chan.hpp>
#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/io.hpp>
#include <ringo/runtime.hpp>
#include <ringo/select.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/task.hpp>
#include <ringo/thread_pin.hpp>
#include <ringo/time/after.hpp>
#include <ringo/time/ticker.hpp>

#include "sched/scheduler.hpp"
#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/temporary_directory.hpp"
#include "support/unix_pair.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;

namespace {

constexpr int storm_fibers = sizes::pick<int>(24, 12, 8);
constexpr int storm_rounds = sizes::pick<int>(60, 30, 15);
constexpr int outside_timers = sizes::pick<int>(20'000, 5'000, 2'000);

/// Computes, without a scheduling point, until `done`; tells at first that it does.
template <class Done>
void compute_until(std::atomic<int>& computing, Done done) {
  ++computing;
  while (!done()) {
  }
}

/// As many fibers as there are workers, all of which compute until `done`. Returns when they do.
template <class Done>
class hogs {
 public:
  explicit hogs(Done done) {
    const int count = ringo::workers();
    for (int i = 0; i < count; ++i) {
      fibers_.go([this, done] { compute_until(computing_, done); });
    }
    // The last one starts to compute while this fiber waits for its turn.
    while (computing_ != count) ringo::yield();
  }
  void join() { fibers_.join(); }

 private:
  std::atomic<int> computing_{0};
  fiber_group fibers_;
};

}  // namespace

TEST_CASE("GR-26: fibers that wait go on while others compute on every worker") {
  run_freely_on_each([] {
    std::atomic<bool> over{false};
    hogs busy([&] { return over.load(); });
    over = true;
    busy.join();
    EXPECT(ringo::stats().handoffs >= 1);
  });
}

TEST_CASE("GR-27: timers fire while every worker computes") {
  run_freely_on_each([] {
    std::atomic<int> ticks{0};
    fiber_group fibers;
    fibers.go([&] {
      ringo::ticker every(1ms);
      while (++ticks < 20) every.channel().recv();
    });
    hogs busy([&] { return ticks >= 20; });
    busy.join();
    fibers.join();
  });
}

TEST_CASE("GR-27: a timer that was set before, for the main fiber alone, fires") {
  run_freely_on_each([] {
    std::atomic<bool> fired{false};
    std::atomic<int> computing{0};
    fiber_group fibers;
    fibers.go([&] {
      ringo::after(1ms).recv();
      fired = true;
    });
    for (int i = 0; i < ringo::workers(); ++i) {
      fibers.go([&] { compute_until(computing, [&] { return fired.load(); }); });
    }
    fibers.join();
  });
}

TEST_CASE("GR-27: two fibers go on talking over channels beside a fiber that computes") {
  run_freely_on_each([] {
    auto ping = ringo::make_chan<int>();
    auto pong = ringo::make_chan<int>();
    std::atomic<int> rounds{0};
    fiber_group fibers;
    fibers.go([ping, pong]() mutable {
      for (const int value : ping) pong.send(value);
    });
    fibers.go([ping, pong, &rounds]() mutable {
      for (int i = 0; i < 1000; ++i) {
        ping.send(i);
        EXPECT_EQ(*pong.recv(), i);
        ++rounds;
      }
      ping.close();
    });
    hogs busy([&] { return rounds >= 1000; });
    busy.join();
    fibers.join();
  });
}

// The fiber that reads is parked in its operation, which the worker has queued but not submitted
// when it switches straight to the one that computes; the peer writes from a plain thread.
TEST_CASE("GR-27: an operation that was started just before a fiber computes is not stranded") {
  run_freely_on_each([] {
    for (int round = 0; round < 3; ++round) {
      const unix_pair sockets;
      std::atomic<int> computing{0};
      std::atomic<bool> received{false};
      fiber_group fibers;
      for (int i = 0; i < ringo::workers(); ++i) {
        fibers.go([&] { compute_until(computing, [&] { return received.load(); }); });
      }
      fibers.go([&] {
        std::array<std::byte, 8> room;
        const auto count = sockets.dialled.read(room);
        EXPECT(count && *count == 1);
        received = true;
      });
      std::thread peer([&] {
        while (computing != ringo::workers()) std::this_thread::yield();
        const auto error = sockets.accepted.write("x");
        EXPECT(!error);
      });
      fibers.join();
      ringo::blocking([&] { peer.join(); });
    }
  });
}

TEST_CASE("GR-27: connections go on beside a fiber that computes") {
  run_freely_on_each([] {
    const unix_pair sockets;
    std::atomic<int> rounds{0};
    fiber_group fibers;
    fibers.go([&] {
      std::array<std::byte, 8> room;
      while (const auto count = sockets.dialled.read(room)) {
        if (sockets.dialled.write(std::span(room).first(*count))) return;
      }
    });
    fibers.go([&] {
      std::array<std::byte, 8> room;
      for (int i = 0; i < 50; ++i) {
        EXPECT(!sockets.accepted.write("ping"));
        EXPECT(ringo::io::read_full(sockets.accepted, std::span(room).first(4)).bytes == 4);
        ++rounds;
      }
      EXPECT(!sockets.accepted.close());
    });
    hogs busy([&] { return rounds >= 50; });
    busy.join();
    fibers.join();
  });
}

TEST_CASE("GR-28: a system call that nobody announced holds only its thread up") {
  run_freely_on_each([] {
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    fiber_group fibers;
    const int callers = ringo::workers();
    for (int i = 0; i < callers; ++i) {
      fibers.go([&] {
        char byte = 0;
        EXPECT(::read(ends[0], &byte, 1) == 1);
      });
    }
    fibers.go([&] {
      ringo::after(1ms).recv();
      for (int i = 0; i < callers; ++i) EXPECT(::write(ends[1], "x", 1) == 1);
    });
    fibers.join();
    ::close(ends[0]);
    ::close(ends[1]);
  });
}

TEST_CASE("GR-28: a fiber that waits for a file's lock lets the one that holds it go on") {
  run_freely_on_each([] {
    const temporary_directory directory;
    const std::string name = directory.path("locked");
    const int first = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(first >= 0);
    const int second = ::open(name.c_str(), O_RDWR | O_CLOEXEC);
    REQUIRE(::flock(first, LOCK_EX) == 0);
    auto waits = ringo::spawn([&] { EXPECT(::flock(second, LOCK_EX) == 0); });
    ringo::yield();
    EXPECT(::flock(first, LOCK_UN) == 0);
    waits.join();
    ::close(first);
    ::close(second);
  });
}

// Nobody waits when the call begins: the turn is kept. Those who come later must get it at once.
TEST_CASE("GR-28: who becomes ready during a blocking call gets its turn") {
  run_freely_on_each([] {
    for (int round = 0; round < 20; ++round) {
      std::atomic<bool> ran{false};
      std::thread outside([&] {
        ringo::go([&] { ran = true; });
        ringo::go([] {});
      });
      ringo::blocking([&] {
        while (!ran) std::this_thread::yield();
      });
      outside.join();
    }
  });
}

TEST_CASE("GR-28: what the function of a blocking call makes ready runs meanwhile") {
  run_freely_on_each([] {
    for (int round = 0; round < 50; ++round) {
      auto asks = ringo::make_chan<int>();
      auto answers = ringo::make_chan<int>();
      auto other = ringo::spawn([asks, answers]() mutable { answers.send(*asks.recv() + 1); });
      ringo::yield();
      ringo::blocking([&] {
        asks.send(round);
        EXPECT_EQ(*answers.recv(), round + 1);
      });
      other.join();
    }
  });
}

TEST_CASE("GR-28: timers and completions of a thread that blocks are not held up") {
  run_freely_on_each([] {
    const unix_pair sockets;
    std::atomic<int> done{0};
    fiber_group fibers;
    fibers.go([&] {
      ringo::sleep_for(1ms);  // tidy: real time: a timer is due
      ++done;
    });
    fibers.go([&] {
      std::array<std::byte, 8> room;
      EXPECT(sockets.dialled.read(room));
      ++done;
    });
    for (int i = 0; i < 3; ++i) ringo::yield();
    std::atomic<int> inside{0};
    for (int i = 0; i < ringo::workers(); ++i) {
      fibers.go([&] {
        ringo::blocking([&] {
          ++inside;
          while (done != 2) std::this_thread::yield();
        });
      });
    }
    ringo::blocking([&] {
      while (inside != ringo::workers()) std::this_thread::yield();
      EXPECT(!sockets.accepted.write("x"));
      while (done != 2) std::this_thread::yield();
    });
    fibers.join();
  });
}

// The worker is settled in its call and the monitor asleep, when a timer comes in that only it can
// fire: it must not have looked for the earliest timer before that.
TEST_CASE("GR-28: timers of a plain thread fire while the only worker blocks") {
  ringo::run({.workers = 1}, [] {
    std::thread outside([] {
      auto random = generator(1);
      for (int i = 0; i < outside_timers; ++i) {
        auto due = ringo::after(20us);
        while (!due.try_recv()) std::this_thread::yield();
        for (auto spin = random() % 4000; spin > 0; --spin) asm volatile("");
      }
    });
    ringo::blocking([&] { outside.join(); });
  });
}

// The thread owns the ring, but does not come by to submit the request.
TEST_CASE("GR-28: what is cancelled inside of a blocking call ends meanwhile") {
  run_freely_on_each([] {
    for (const bool settled : {false, true}) {
      std::array<int, 2> ends{};
      REQUIRE(::pipe(ends.data()) == 0);
      auto [ctx, cancel] = ringo::with_cancel(ringo::background());
      std::atomic<bool> done{false};
      auto waits = ringo::spawn([&done, ends, ctx = ctx] {
        const auto ready = ringo::io::wait_fd(ctx, ends[0], ringo::io::readable);
        EXPECT(ready.error() == ringo::errc::canceled);
        done = true;
      });
      ringo::yield();
      ringo::yield();
      ringo::blocking([&, &cancel = cancel] {
        // Long enough for the monitor to fall asleep, if that is what it does.
        const auto until = std::chrono::steady_clock::now() + (settled ? 30ms : 0ms);
        while (std::chrono::steady_clock::now() < until) std::this_thread::yield();
        cancel();
        while (!done) std::this_thread::yield();
      });
      waits.join();
      ::close(ends[0]);
      ::close(ends[1]);
    }
  });
}

// The spare that has the turn always has something of its own to run: it never comes to steal.
TEST_CASE("GR-26: who is queued behind a fiber that computes is not starved by fibers that yield") {
  ringo::run({.workers = 1}, [] {
    std::atomic<bool> over{false};
    std::atomic<int> ran{0};
    fiber_group fibers;
    for (int i = 0; i < 2; ++i) {
      fibers.go([&] {
        while (!over) ringo::yield();
      });
    }
    for (int i = 0; i < 3; ++i) fibers.go([&] { ++ran; });
    while (ran < 3) {
    }
    over = true;
    fibers.join();
  });
}

// A worker that was given a token before it had begun to rest was counted as awake twice; and so no
// deadlock was ever reported again.
TEST_CASE("GR-30: whatever turns are taken and handed over, no worker counts as awake twice") {
  run_freely_on_each([] {
    fiber_group fibers;
    for (int i = 0; i < storm_fibers; ++i) {
      fibers.go([] {
        for (int round = 0; round < 10 * storm_rounds; ++round) {
          const ringo::thread_pin pin;
          ringo::yield();
          if (round % 8 == 0) ringo::blocking([] { std::this_thread::yield(); });
        }
      });
    }
    fibers.join();
    auto& scheduler = ringo::detail::scheduler::instance();
    EXPECT(scheduler.gate().awake() <= scheduler.worker_count());
    eventually([&] { return scheduler.gate().awake() <= scheduler.tokens(); }, "workers to rest");
  });
}

TEST_CASE("GR-30: a pinned fiber that computes keeps its thread, and loses its turn") {
  run_freely_on_each([] {
    std::atomic<bool> over{false};
    std::atomic<int> computing{0};
    fiber_group fibers;
    const int count = ringo::workers();
    for (int i = 0; i < count; ++i) {
      fibers.go([&] {
        const ringo::thread_pin pin;
        const int thread = ::gettid();
        for (int turn = 0; turn < 3; ++turn) {
          compute_until(computing, [&] { return over.load(); });
          ringo::yield();
          EXPECT_EQ(::gettid(), thread);
        }
      });
    }
    while (computing < count) ringo::yield();
    over = true;
    fibers.join();
  });
}

TEST_CASE(
    "GR-29: where there may be no more threads, who computes keeps the turn, and nothing ends") {
  ringo::run({.workers = 1, .max_threads = 1}, [] {
    std::atomic<bool> ran{false};
    ringo::go([&] { ran = true; });
    const auto until = std::chrono::steady_clock::now() + 60ms;
    while (std::chrono::steady_clock::now() < until) {
    }
    EXPECT(!ran);
    EXPECT_EQ(ringo::stats().handoffs, 0U);
    ringo::yield();
    EXPECT(ran);
  });
}

TEST_CASE("GR-26: fibers that compute do not take a thread each") {
  run_freely_on_each([] {
    const auto workers = static_cast<std::size_t>(ringo::workers());
    const int count = 8 * ringo::workers() + 40;
    std::atomic<int> ended{0};
    fiber_group fibers;
    for (int i = 0; i < count; ++i) {
      fibers.go([&] {
        const auto until = std::chrono::steady_clock::now() + 25ms;
        while (std::chrono::steady_clock::now() < until) {
        }
        ++ended;
      });
    }
    fibers.join();
    EXPECT_EQ(ended, count);
    EXPECT(ringo::stats().threads <= 3 * workers + 16);
  });
}

TEST_CASE("GR-26: hogs, calls that block, pins and messages in disorder lose nothing") {
  run_freely_on_each([] {
    auto values = ringo::make_chan<int>(2);
    std::atomic<int> sent{0};
    fiber_group fibers;
    for (int i = 0; i < storm_fibers; ++i) {
      fibers.go([&, i] {
        auto random = generator(static_cast<std::uint64_t>(i));
        const auto hold = [&random] {
          const auto until = std::chrono::steady_clock::now() +
                             std::chrono::microseconds(random() % 8 == 0 ? 15'000 : random() % 300);
          while (std::chrono::steady_clock::now() < until) {
          }
        };
        for (int round = 0; round < storm_rounds; ++round) {
          switch (random() % 6) {
            case 0: hold(); break;
            case 1: ringo::blocking(hold); break;
            case 2: {
              const ringo::thread_pin pin;
              ringo::yield();
              if (random() % 4 == 0) hold();
            } break;
            case 3:
              ringo::sleep_for(random() % 500 * 1us);  // tidy: real time: a timer among the rest
              break;
            case 4: ringo::yield(); break;
            default: break;
          }
          values.send(1);
          ++sent;
        }
      });
    }
    int sum = 0;
    for (int i = 0; i < storm_fibers * storm_rounds; ++i) sum += *values.recv();
    fibers.join();
    EXPECT_EQ(sum, sent);
  });
}
