#include <ringo/thread_pin.hpp>

#include <doctest/doctest.h>

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <mutex>
#include <new>
#include <optional>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include <ringo/blocking.hpp>
#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/run_program.hpp"
#include "support/virtual_time.hpp"

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

TEST_CASE("thread_pin: fibers that virtual time wakes keep the thread") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    fiber_group fibers;
    for (int i = 1; i <= 8; ++i) {
      fibers.go([=] {
        const ringo::thread_pin pin;
        const int thread = ::gettid();
        for (int round = 1; round <= 20; ++round) {
          ringo::sleep_for(i * 1ms);
          EXPECT_EQ(::gettid(), thread);
          EXPECT_EQ(watch.passed(), i * round * 1ms);
        }
      });
    }
    fibers.join();
    EXPECT_EQ(watch.passed(), 160ms);
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

namespace {

bool blocks_signal() {
  sigset_t mask;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  return ::sigismember(&mask, SIGUSR2) == 1;
}
void block_signal(int how) {
  sigset_t only;
  ::sigemptyset(&only);
  ::sigaddset(&only, SIGUSR2);
  ::pthread_sigmask(how, &only, nullptr);
}

/// A fiber on each thread that has a run token says whether it has met the pinned one's mask.
int fibers_that_meet_it() {
  const int workers = ringo::workers();
  std::atomic<int> here{0};
  std::atomic<int> met{0};
  fiber_group fibers;
  for (int i = 0; i < workers; ++i) {
    fibers.go([&] {
      ++here;
      while (here < workers) std::this_thread::yield();  // the thread's, not the fiber's
      met += blocks_signal() ? 1 : 0;
    });
  }
  fibers.join();
  return met;
}

}  // namespace

// After Go's TestLockOSThreadAvoidsStatePropagation: a thread inherits the signal mask of the one
// that starts it, and each of these waits makes somebody start one.
TEST_CASE("GR-31: what a pinned fiber makes of its thread no other fiber meets") {
  run_on_each([] {
    auto waits = ringo::make_chan<void>();
    auto pinned = ringo::spawn([waits]() mutable {
      const ringo::thread_pin pin;
      block_signal(SIG_BLOCK);
      waits.recv();
      ringo::set_workers(ringo::workers() + 2);
      waits.recv();
      EXPECT(blocks_signal());
      block_signal(SIG_UNBLOCK);
    });
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(fibers_that_meet_it(), 0);
      waits.send();
    }
    pinned.join();
    EXPECT_EQ(fibers_that_meet_it(), 0);
  });
}

// After Go's TestLockOSThreadExit. The thread stays, but nobody runs there any more.
TEST_CASE("GR-31: a fiber that ends with its pin takes the thread along") {
  run_on_each([] {
    alignas(ringo::thread_pin) std::byte place[sizeof(ringo::thread_pin)];
    const int lost = ringo::spawn([&place] {
                       ::new (static_cast<void*>(place)) ringo::thread_pin;
                       return ::gettid();
                     }).join();
    crowd others(8);
    for (int i = 0; i < 200; ++i) {
      EXPECT(ringo::spawn([] { return ::gettid(); }).join() != lost);
      ringo::yield();
    }
    EXPECT(!others.was_on(lost));
    others.end();
  });
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
