// Who gets to run: nobody starves, work spreads, idle workers sleep.

#include <doctest/doctest.h>

#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;

namespace {

constexpr auto parallel_rounds = sizes::pick<int>(20, 10, 5);
constexpr auto stolen_fibers = sizes::pick<int>(10'000, 2'000, 1'000);
constexpr auto sleeping_fibers = sizes::pick<int>(1'000, 500, 200);

/// Of all threads of the process.
std::uint64_t voluntary_switches() {
  std::uint64_t sum = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "status");
    for (std::string word; file >> word;) {
      std::uint64_t count = 0;
      if (word == "voluntary_ctxt_switches:" && file >> count) sum += count;
    }
  }
  return sum;
}

/// Takes some microseconds of CPU.
void compute() {
  for (int i = 0; i < 20'000; ++i) asm volatile("");
}

}  // namespace

// A fiber that was made ready by the running one runs next, in the same time slice; so a pair that
// wakes each other for ever could keep the worker.
TEST_CASE("GR-24: on one worker a ping-pong pair does not starve a third fiber") {
  run_on(1, [] {
    auto ping = ringo::make_chan<int>();
    auto pong = ringo::make_chan<int>();
    std::atomic<bool> over{false};
    std::atomic<int> rounds{0};
    fiber_group pair;
    pair.go([&, ping, pong]() mutable {
      while (!over) {
        ping.send(1);
        static_cast<void>(pong.recv());
        ++rounds;
      }
      ping.close();
    });
    pair.go([ping, pong]() mutable {
      while (ping.recv()) pong.send(1);
    });
    for (int i = 0; i < 100; ++i) {
      const int before = rounds;
      ringo::yield();
      EXPECT(rounds - before <= 200);
    }
    EXPECT(rounds > 0);
    over = true;
    pair.join();
  });
}

// After Go's TestPingPongHog. A pair shares one slice for each round of the run queue.
TEST_CASE("GR-24: a pair that computes and a light pair get their turns alike") {
  static std::atomic<std::size_t> hog{0};
  static std::atomic<std::size_t> light{0};
  hog = 0;
  light = 0;
  run_on(
      1,
      [] {
        const auto pair = [](std::atomic<std::size_t>& turns, bool heavy) {
          auto ball = ringo::make_chan<bool>();
          for (int side = 0; side < 2; ++side) {
            ringo::go([&turns, ball, heavy]() mutable {
              for (;;) {
                static_cast<void>(ball.recv());
                ++turns;
                if (heavy) compute();
                ball.send(true);
              }
            });
          }
          ball.send(true);
        };
        pair(hog, true);
        pair(light, false);
        eventually([] { return hog >= 1'000; });
      },
      leftovers::allowed);
  CHECK(light * 20 >= hog);
  CHECK(hog * 20 >= light);
}

TEST_CASE("GR-23: on one worker two fibers that respawn each other do not starve a third") {
  run_on(1, [] {
    static std::atomic<bool> over{false};
    static std::atomic<int> spawns{0};
    over = false;
    spawns = 0;
    struct respawn {
      void operator()() const {
        ++spawns;
        if (!over) ringo::go(*this);
      }
    };
    ringo::go(respawn{});
    ringo::go(respawn{});
    for (int i = 0; i < 100; ++i) {
      const int before = spawns;
      ringo::yield();
      EXPECT(spawns - before <= 200);
    }
    over = true;
  });
}

TEST_CASE("GR-23: a storm of yields starves neither timers nor fibers from plain threads") {
  run_on_each([] {
    std::atomic<bool> over{false};
    fiber_group storm;
    for (int i = 0; i < 16; ++i) {
      storm.go([&over] {
        while (!over) ringo::yield();
      });
    }
    std::atomic<int> injected{0};
    thread_group threads;
    threads.start([&injected] {
      for (int i = 0; i < 100; ++i) ringo::spawn([&injected] { ++injected; }).join();
    });
    ringo::sleep_for(5ms);  // tidy: real time: that it ends is what is tested
    threads.join();
    EXPECT_EQ(injected, 100);
    over = true;
    storm.join();
  });
}

// After Go's TestTimerFairness2: the other workers look after the timers of one that computes.
TEST_CASE("GR-27: timers of a worker that computes fire on another one") {
  run_on(2, [] {
    std::atomic<bool> slept{false};
    auto sleeper = ringo::spawn([&slept] {
      ringo::sleep_for(5ms);  // tidy: real time: the timer is what is tested
      slept = true;
    });
    // Whichever worker holds the timer, one of these keeps it busy; neither reaches a scheduling
    // point.
    auto busy = ringo::spawn([&slept] {
      while (!slept) {
      }
    });
    sleeper.join();
    busy.join();
  });
}

TEST_CASE("GR-25: what a computing fiber made ready runs on another worker") {
  run_on(2, [] {
    for (int i = 0; i < 20; ++i) {
      std::atomic<bool> ran{false};
      ringo::go([&ran] { ran = true; });
      while (!ran) {
      }  // no scheduling point: somebody must rob the run-next slot
    }
  });
}

// There is no preemption: who computes keeps its worker, and only that.
TEST_CASE("GR-26: a fiber that computes without end holds up nobody but its own worker") {
  for (const std::size_t workers : {2UL, 8UL}) {
    run_on(workers, [] {
      std::atomic<bool> over{false};
      auto busy = ringo::spawn([&over] {
        while (!over) {
        }
      });
      auto ping = ringo::make_chan<int>();
      auto pong = ringo::make_chan<int>();
      auto other = ringo::spawn([ping, pong]() mutable {
        for (const int ball : ping) pong.send(ball);
      });
      for (int i = 0; i < 100; ++i) {
        ping.send(i);
        EXPECT(pong.recv() == i);
      }
      ping.close();
      other.join();
      over = true;
      busy.join();
    });
  }
}

TEST_CASE("GR-26: a loop that yields lets the others run on its worker") {
  run_on(1, [] {
    std::atomic<bool> over{false};
    auto busy = ringo::spawn([&over] {
      while (!over) {
        compute();
        ringo::yield();
      }
    });
    std::atomic<int> ran{0};
    for (int i = 0; i < 100; ++i) ringo::go([&ran] { ++ran; });
    eventually([&] { return ran == 100; });
    over = true;
    busy.join();
  });
}

// Nothing promises it; a scheduler that draws the order is not there yet.
TEST_CASE("GR-34: on one worker the newest fiber starts first, then the others in their order") {
  run_on(1, [] {
    std::array<std::atomic<int>, 5> order{};
    std::atomic<std::size_t> started{0};
    fiber_group fibers;
    for (int i = 1; i <= 5; ++i) {
      fibers.go([&, i] { order[started++] = i; });
    }
    fibers.join();
    EXPECT_EQ(order[0], 5);
    for (std::size_t i = 1; i < 5; ++i) EXPECT_EQ(order[i], static_cast<int>(i));
  });
}

// After Go's TestGoroutineParallelism: the round goes on only while all of them are on CPUs or at
// least on threads of their own.
static void hand_round(int fibers) {
  std::atomic<std::uint32_t> counter{0};
  fiber_group group;
  for (int i = 0; i < fibers; ++i) {
    group.go([&counter, fibers, i] {
      for (int round = 0; round < 10; ++round) {
        const auto expected = static_cast<std::uint32_t>(fibers * round + i);
        while (counter != expected) std::this_thread::yield();  // the thread's, not the fiber's
        counter = expected + 1;
      }
    });
  }
  group.join();
}

TEST_CASE("GR-21: as many fibers as there are workers run at the same time") {
  for (const std::size_t workers : {2UL, 4UL, 8UL}) {
    // Main waits without a worker of its own, so all of them are for the others.
    run_on(workers, [workers] {
      for (int i = 0; i < parallel_rounds; ++i) hand_round(static_cast<int>(workers));
      // The same when everybody was asleep before.
      ringo::sleep_for(20ms);  // tidy: real time: lets all workers fall asleep
      hand_round(static_cast<int>(workers));
    });
  }
}

// After Go's TestGoroutineParallelism2.
TEST_CASE("GR-21: also when each fiber spawns the next") {
  for (const std::size_t workers : {2UL, 4UL}) {
    run_on(workers, [workers] {
      std::atomic<std::size_t> running{0};  // of all rounds: only the last fiber of one is joined
      for (int i = 0; i < parallel_rounds; ++i) {
        running = 0;
        struct nested {
          std::atomic<std::size_t>& running;
          std::size_t all;
          void operator()(std::size_t left) const {
            if (left > 1) ringo::go(*this, left - 1);
            ++running;
            while (running < all) std::this_thread::yield();
          }
        };
        auto last = ringo::spawn(nested{running, workers}, workers);
        last.join();
        eventually([] { return ringo::num_fibers() == 1; });
      }
    });
  }
}

TEST_CASE("GR-22: work that one fiber spawns spreads over the workers") {
  for (const std::size_t workers : {2UL, 4UL}) {
    run_on(workers, [workers] {
      std::mutex lock;  // never held across a park
      std::map<int, int> per_thread;
      // As many at a time as fit into the run queue: none gets to the others through the inject
      // queue.
      constexpr int at_a_time = 200;
      for (int i = 0; i < stolen_fibers; i += at_a_time) {
        fiber_group fibers;
        for (int j = 0; j < at_a_time; ++j) {
          fibers.go([&] {
            compute();
            const std::lock_guard<std::mutex> guard(lock);
            ++per_thread[::gettid()];
          });
        }
        fibers.join();
      }
      EXPECT(per_thread.size() >= 2);
      // Those that wait long for a CPU lose their turns to others.
      EXPECT(per_thread.size() <= workers + ringo::stats().handoffs);
      EXPECT(ringo::stats().steals > 0);
      int others = 0;
      for (const auto& [thread, count] : per_thread) {
        if (thread != ::gettid()) others += count;
      }
      EXPECT(others > stolen_fibers / 10);
    });
  }
}

TEST_CASE("idle: parked fibers cost no wake-ups") {
  for_each_worker_count([](std::size_t workers) {
    std::uint64_t switches = 0;
    run_on(workers, [&switches] {
      auto gate = ringo::make_chan<void>();
      fiber_group fibers;
      for (int i = 0; i < sleeping_fibers; ++i) fibers.go([gate]() mutable { gate.recv(); });
      wait_until_parked(static_cast<std::size_t>(sleeping_fibers));
      // A plain thread looks, for a fiber would have to be woken for it. It is here too while all
      // sleep, so that no deadlock is reported.
      auto measured = ringo::make_chan<std::uint64_t>();
      std::thread observer([measured]() mutable {
        std::this_thread::sleep_for(100ms);  // tidy: real time: lets the workers fall asleep
        const std::uint64_t before = voluntary_switches();
        std::this_thread::sleep_for(300ms);  // tidy: real time: the idle time that is measured
        measured.send(voluntary_switches() - before);
      });
      switches = *measured.recv();
      observer.join();
      gate.close();
      fibers.join();
    });
    // One is the observer's own sleep. ThreadSanitizer has a thread that wakes up.
    const std::uint64_t allowed = RINGO_TSAN ? 20 : 2;
    CHECK(switches <= allowed);
  });
}

TEST_CASE("idle: sleeping fibers cost wake-ups only when they are due") {
  run_on(
      8,
      [] {
        for (int i = 0; i < 20; ++i) {
          ringo::go([] { ringo::sleep_for(10h); });  // tidy: real time: never ends
        }
        wait_until_parked(20);
        const auto before = ringo::stats().sleeps;
        ringo::sleep_for(300ms);  // tidy: real time: the idle time that is measured
        EXPECT(ringo::stats().sleeps - before <= 20);
      },
      leftovers::allowed);
}
