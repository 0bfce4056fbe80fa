#include <ringo/thread_pin.hpp>

#include <doctest/doctest.h>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <vector>

#include <ringo/blocking.hpp>
#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/run_program.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;

namespace {

constexpr auto pinned_rounds = sizes::pick<int>(300, 100, 50);

/// Fibers that keep all workers busy and note the threads they run on.
class crowd {
 public:
  explicit crowd(int count) {
    for (int i = 0; i < count; ++i) {
      fibers_.go([this] {
        while (!over_) {
          {
            const std::lock_guard<std::mutex> guard(lock_);  // never held across a park
            threads_.insert(::gettid());
          }
          ringo::yield();
        }
      });
    }
  }
  void forget() {
    const std::lock_guard<std::mutex> guard(lock_);
    threads_.clear();
  }
  bool was_on(int thread) {
    const std::lock_guard<std::mutex> guard(lock_);
    return threads_.count(thread) != 0;
  }
  std::size_t threads() {
    const std::lock_guard<std::mutex> guard(lock_);
    return threads_.size();
  }
  void end() {
    over_ = true;
    fibers_.join();
  }

 private:
  std::mutex lock_;
  std::set<int> threads_;  // guarded by lock_
  std::atomic<bool> over_{false};
  fiber_group fibers_;
};

}  // namespace

// After Go's TestBlockLocked and TestYieldLocked.
TEST_CASE("GR-30: a pinned fiber stays on its thread, and has it for itself") {
  run_on_each([] {
    crowd others(8);
    auto ch = ringo::make_chan<int>();
    auto peer = ringo::spawn([ch]() mutable {
      for (int i = 0; i < pinned_rounds; ++i) ch.send(i);
    });
    auto pinned = ringo::spawn([&, ch]() mutable {
      const ringo::thread_pin pin;
      const int thread = ::gettid();
      others.forget();  // what ran here before the pin
      for (int i = 0; i < pinned_rounds; ++i) {
        EXPECT(ch.recv() == i);
        EXPECT_EQ(::gettid(), thread);
        ringo::yield();
        EXPECT_EQ(::gettid(), thread);
      }
      EXPECT(!others.was_on(thread));
      EXPECT(others.threads() >= 1);  // others went on meanwhile
    });
    pinned.join();
    peer.join();
    others.end();
  });
}

// After Go's TestLockOSThreadNesting.
TEST_CASE("GR-30: pins nest") {
  run_on_each([] {
    crowd others(4);
    ringo::spawn([] {
      const int thread = ::gettid();
      const ringo::thread_pin outer;
      EXPECT_EQ(::gettid(), thread);
      {
        const ringo::thread_pin inner;
        const ringo::thread_pin innermost;
        for (int i = 0; i < 50; ++i) ringo::yield();
        EXPECT_EQ(::gettid(), thread);
      }
      for (int i = 0; i < 50; ++i) ringo::yield();
      EXPECT_EQ(::gettid(), thread);
    }).join();
    others.end();
  });
}

TEST_CASE("thread_pin: after it the thread is everybody's again") {
  run_on_each([] {
    crowd others(4);
    for (int i = 0; i < 50; ++i) {
      ringo::spawn([] {
        const ringo::thread_pin pin;
        ringo::yield();
      }).join();
    }
    const auto threads = ringo::stats().threads;
    for (int i = 0; i < 100; ++i) {
      ringo::spawn([] {
        const ringo::thread_pin pin;
        ringo::yield();
      }).join();
    }
    // Threads are used again, not started anew for each pin.
    EXPECT(ringo::stats().threads <= threads + 8);
    others.end();
  });
}

TEST_CASE("thread_pin: pinned fibers talk to each other and to others on any number of workers") {
  run_on_each([] {
    constexpr int count = 6;
    std::vector<ringo::chan<int>> ring;
    for (int i = 0; i < count; ++i) ring.push_back(ringo::make_chan<int>());
    fiber_group fibers;
    for (std::size_t i = 0; i < count; ++i) {
      fibers.go([in = ring[i], out = ring[(i + 1) % count], pinned = i % 2 == 0]() mutable {
        const auto work = [&] {
          while (auto token = in.recv()) {
            if (*token == 0) break;
            out.send(*token - 1);
          }
          // The token has come to its end: pass the word on.
          static_cast<void>(out.try_send(0));
          out.close();
        };
        if (!pinned) return work();
        const ringo::thread_pin pin;
        const int thread = ::gettid();
        work();
        EXPECT_EQ(::gettid(), thread);
      });
    }
    ring[0].send(pinned_rounds);
    eventually([] { return ringo::num_fibers() == 1; });
    fibers.join();
  });
}

TEST_CASE("thread_pin: may begin or end inside blocking") {
  run_on_each([] {
    const auto threads = [] { return ringo::stats().threads; };
    for (int round = 0; round < 20; ++round) {
      ringo::spawn([] {
        auto pin = std::make_optional<ringo::thread_pin>();
        ringo::blocking([&] { pin.reset(); });
        ringo::yield();
        ringo::blocking([&] { pin.emplace(); });
        const int thread = ::gettid();
        for (int i = 0; i < 5; ++i) ringo::yield();
        EXPECT_EQ(::gettid(), thread);
        pin.reset();
      }).join();
    }
    // No round kept a thread for itself.
    EXPECT(threads() <= static_cast<std::size_t>(ringo::workers()) + 2);
  });
}

TEST_CASE("thread_pin: sleep, blocking and exceptions keep the thread") {
  run_on_each([] {
    crowd others(4);
    ringo::spawn([] {
      const ringo::thread_pin pin;
      const int thread = ::gettid();
      ringo::sleep_for(2ms);  // tidy: real time: a timer wakes the pinned fiber
      EXPECT_EQ(::gettid(), thread);
      EXPECT_EQ(ringo::blocking([] { return ::gettid(); }), thread);
      EXPECT_EQ(::gettid(), thread);
      ringo::yield();
      EXPECT_EQ(::gettid(), thread);
      try {
        ringo::blocking([] { throw std::runtime_error("out"); });
      } catch (const std::runtime_error&) {
        ringo::yield();
        EXPECT_EQ(::gettid(), thread);
      }
    }).join();
    // A pin that goexit or an exception ends is no pin any more.
    ringo::go([] {
      const ringo::thread_pin pin;
      ringo::yield();
      ringo::goexit();
    });
    eventually([] { return ringo::num_fibers() == 5; });
    others.end();
  });
}

TEST_CASE("thread_pin: the main fiber may be pinned") {
  run_on_each([] {
    const ringo::thread_pin pin;
    const int thread = ::gettid();
    auto ch = ringo::make_chan<int>();
    for (int i = 0; i < 50; ++i) {
      ringo::go([ch, i, thread]() mutable {
        EXPECT(::gettid() != thread);
        ch.send(i);
      });
    }
    for (int i = 0; i < 50; ++i) static_cast<void>(ch.recv());
    EXPECT_EQ(::gettid(), thread);
  });
}

TEST_CASE("thread_pin: set_workers leaves pinned fibers where they are") {
  run_on_each([] {
    crowd others(4);
    auto pinned = ringo::spawn([] {
      const ringo::thread_pin pin;
      const int thread = ::gettid();
      for (int i = 0; i < 100; ++i) {
        ringo::set_workers(1 + i % 3);
        ringo::yield();
        EXPECT_EQ(::gettid(), thread);
      }
    });
    pinned.join();
    others.end();
  });
}

TEST_CASE("thread_pin: on a plain thread it does nothing") {
  const ringo::thread_pin pin;
  const ringo::thread_pin nested;
  CHECK(ringo::run([] { return 1; }) == 1);
}

// After Go's TestLockedDeadlock and TestLockedDeadlock2.
TEST_CASE("GR-14: a deadlock is reported also when the blocked fibers are pinned") {
  for (const char* const workers : {"1", "2", "8"}) {
    for (const char* const mode : {"pinned", "pinned_pair"}) {
      CAPTURE(workers);
      CAPTURE(mode);
      const auto result = run_program({.name = "deadlock",
                                       .arguments = {mode},
                                       .environment = {std::string("RINGO_MAXPROCS=") + workers}});
      CAPTURE(result.output);
      CHECK(result.exited_with(2));
      CHECK(result.printed("all fibers are asleep - deadlock!"));
    }
  }
}
