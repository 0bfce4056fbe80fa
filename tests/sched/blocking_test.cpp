#include <ringo/blocking.hpp>

#include <doctest/doctest.h>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include <ringo/chan.hpp>
#include <ringo/defer.hpp>
#include <ringo/fiber_local.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;

namespace {

constexpr auto call_rounds = sizes::pick<int>(300, 100, 50);

/// Blocks the thread, as a system call would, until `flag` is set.
void block_until(const std::atomic<bool>& flag) {
  while (!flag) std::this_thread::yield();
}

}  // namespace

TEST_CASE("blocking: runs on the same thread, returns what fn returns, lets exceptions pass") {
  run_on_each([] {
    const int thread = ::gettid();
    EXPECT_EQ(ringo::blocking([] { return ::gettid(); }), thread);
    EXPECT_EQ(*ringo::blocking([] { return std::make_unique<int>(4); }), 4);
    int object = 1;
    int& same = ringo::blocking([&]() -> int& { return object; });
    EXPECT_EQ(&same, &object);
    ringo::blocking([&] { ++object; });
    EXPECT_EQ(object, 2);
    std::string caught;
    try {
      ringo::blocking([] { throw std::runtime_error("passed"); });
    } catch (const std::runtime_error& error) {
      caught = error.what();
    }
    EXPECT_EQ(caught, std::string("passed"));
  });
}

TEST_CASE("GR-28: fibers that wait when it begins go on meanwhile, even with one worker") {
  run_on_each([] {
    std::atomic<bool> others_ran{false};
    std::atomic<int> ran{0};
    for (int i = 0; i < 100; ++i) {
      ringo::go([&] {
        ringo::yield();
        if (++ran == 100) others_ran = true;
      });
    }
    ringo::blocking([&] { block_until(others_ran); });
    EXPECT_EQ(ran, 100);
  });
}

TEST_CASE("GR-28: as many calls as there are fibers may block at a time") {
  run_on_each([] {
    constexpr int callers = 16;
    std::atomic<int> inside{0};
    std::atomic<bool> all{false};
    fiber_group fibers;
    for (int i = 0; i < callers; ++i) {
      fibers.go([&] {
        ringo::blocking([&] {
          if (++inside == callers) all = true;
          block_until(all);
        });
      });
    }
    fibers.join();
    EXPECT_EQ(inside, callers);
    // Threads that blocked are spares now, not more workers.
    EXPECT(ringo::stats().threads <= callers + 10);
    EXPECT(ringo::workers() <= 8);
  });
}

TEST_CASE("GR-28: after the call the fiber goes on, many times and from many fibers") {
  run_on_each([] {
    std::atomic<int> calls{0};
    fiber_group fibers;
    for (int i = 0; i < 8; ++i) {
      fibers.go([&, i] {
        for (int k = 0; k < call_rounds; ++k) {
          ringo::blocking([&] {
            ++calls;
            if ((i + k) % 4 == 0) std::this_thread::yield();
          });
          EXPECT(ringo::this_fiber::id() != 0);
          if (k % 3 == 0) ringo::yield();
        }
      });
    }
    fibers.join();
    EXPECT_EQ(calls, 8 * call_rounds);
  });
}

TEST_CASE("blocking: inside, ringo's operations work and block the thread") {
  run_on_each([] {
    auto ch = ringo::make_chan<int>();
    ringo::mutex lock;
    std::atomic<int> ran{0};
    for (int i = 0; i < 3; ++i) ringo::go([ch, i]() mutable { ch.send(i); });
    ringo::blocking([&] {
      int sum = 0;
      for (int i = 0; i < 3; ++i) sum += *ch.recv();
      EXPECT_EQ(sum, 3);
      lock.lock();
      ringo::yield();
      lock.unlock();
      ringo::sleep_for(1ms);  // tidy: real time: blocks the thread
      ringo::go([&ran] { ++ran; });
      ringo::blocking([&] { lock.lock(); });
      lock.unlock();
    });
    eventually([&] { return ran == 1; });
    EXPECT(ringo::this_fiber::id() != 0);
  });
}

TEST_CASE("blocking: the fiber inside is the fiber outside") {
  run_on_each([] {
    ringo::spawn({.name = "caller"}, [] {
      static ringo::fiber_local<int> mine;
      *mine = 5;
      const std::uint64_t id = ringo::this_fiber::id();
      ringo::blocking([id] {
        EXPECT_EQ(ringo::this_fiber::id(), id);
        EXPECT(ringo::this_fiber::name() == "caller");
        EXPECT_EQ(*mine, 5);
        *mine = 6;
      });
      EXPECT_EQ(*mine, 6);
    }).join();
  });
}

TEST_CASE("blocking: goexit inside ends the fiber, and runs the destructors on the way") {
  run_on_each([] {
    static std::atomic<int> destroyed{0};
    destroyed = 0;
    for (int i = 0; i < 10; ++i) {
      ringo::go([] {
        const ringo::defer note{[] { ++destroyed; }};
        ringo::blocking([] { ringo::goexit(); });
        EXPECT(false);
      });
    }
    eventually([] { return ringo::num_fibers() == 1; });
    EXPECT_EQ(destroyed, 10);
  });
}

TEST_CASE("blocking: a call from a plain thread is just a call") {
  CHECK(ringo::blocking([] { return 3; }) == 3);
  run_on(2, [] { std::thread([] { EXPECT_EQ(ringo::blocking([] { return 5; }), 5); }).join(); });
}

// The producer's buffer is full and the consumer blocks its thread again and again: each needs the
// other's worker.
TEST_CASE("GR-29: threads that block do not count against the workers") {
  run_on_each([] {
    auto work = ringo::make_chan<int>(2);
    auto results = ringo::make_chan<int>(2);
    fiber_group fibers;
    for (int i = 0; i < 4; ++i) {
      fibers.go([work, results]() mutable {
        for (const int item : work) {
          results.send(ringo::blocking([item] {
            std::this_thread::yield();
            return item;
          }));
        }
      });
    }
    fibers.go([work]() mutable {
      for (int i = 1; i <= call_rounds; ++i) work.send(i);
      work.close();
    });
    int sum = 0;
    for (int i = 0; i < call_rounds; ++i) sum += *results.recv();
    fibers.join();
    EXPECT_EQ(sum, call_rounds * (call_rounds + 1) / 2);
  });
}
