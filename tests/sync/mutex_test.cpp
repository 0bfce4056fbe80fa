// The mutex: exclusion, the order of those who wait, what Go allows. Misuse that ends the process
// is in sync_death_test.cpp, the end of a mutex's life in tests/stress/destruction_test.cpp.

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <ringo/go.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"

using namespace ringo::test;

static_assert(!std::is_copy_constructible_v<ringo::mutex>);
static_assert(!std::is_copy_assignable_v<ringo::mutex>);
static_assert(!std::is_move_constructible_v<ringo::mutex>);

namespace {

// clang-format off
//                                               plain  asan   tsan
constexpr auto hammer_loops   = sizes::pick<int>(1'000, 500,   200);
constexpr auto visible_rounds = sizes::pick<int>(200,   100,   50);
constexpr auto crowd          = sizes::pick<int>(3'000, 1'000, 300);
constexpr auto hold_rounds    = sizes::pick<int>(300,   100,   50);
// clang-format on

constexpr int hog_victim_rounds = 10;
constexpr auto hog_time_max = std::chrono::seconds(10);  // as in Go's test
constexpr const char* parked_in_lock = "sync.Mutex.Lock";

constinit ringo::mutex static_mutex;

/// Go's HammerMutex: every third round only tries. Returns how often it had the lock.
int hammer(ringo::mutex& m, int& counter) {
  int locked = 0;
  for (int i = 0; i < hammer_loops; ++i) {
    if (i % 3 != 0) {
      m.lock();
    } else if (!m.try_lock()) {
      continue;
    }
    ++counter;
    ++locked;
    m.unlock();
  }
  return locked;
}

}  // namespace

TEST_CASE("SY-1: a mutex is unlocked when made and locks once at a time") {
  const auto check = [](ringo::mutex& m) {
    for (int i = 0; i < 3; ++i) {
      m.lock();
      EXPECT(!m.try_lock());
      m.unlock();
      EXPECT(m.try_lock());
      EXPECT(!m.try_lock());
      m.unlock();
    }
  };
  check(static_mutex);
  run_on_each([&] {
    ringo::mutex m;
    check(m);
    check(static_mutex);
  });
  check(static_mutex);
}

TEST_CASE("SY-1: mutual exclusion holds under load") {
  run_on_each([] {
    ringo::mutex m;
    int counter = 0;
    std::atomic<int> locked{0};
    fiber_group fibers;
    for (int i = 0; i < 10; ++i) fibers.go([&] { locked += hammer(m, counter); });
    fibers.join();
    EXPECT_EQ(counter, locked.load());
    EXPECT(counter >= 10 * (hammer_loops - hammer_loops / 3 - 1));
  });
}

TEST_CASE("SY-1: mutual exclusion holds between plain threads and fibers") {
  run_on_each([] {
    ringo::mutex m;
    int counter = 0;
    std::atomic<int> locked{0};
    fiber_group fibers;
    thread_group threads;
    for (int i = 0; i < 5; ++i) {
      fibers.go([&] { locked += hammer(m, counter); });
      threads.start([&] { locked += hammer(m, counter); });
    }
    fibers.join();
    threads.join();
    EXPECT_EQ(counter, locked.load());
  });
}

TEST_CASE("SY-1: mutual exclusion holds between plain threads without a runtime") {
  ringo::mutex m;
  int counter = 0;
  std::atomic<int> locked{0};
  {
    thread_group threads;
    for (int i = 0; i < 4; ++i) threads.start([&] { locked += hammer(m, counter); });
  }
  CHECK(counter == locked.load());
}

TEST_CASE("mutex: a crowd of fibers all get the lock") {
  run_on_each([] {
    ringo::mutex m;
    int counter = 0;
    m.lock();
    fiber_group fibers;
    for (int i = 0; i < crowd; ++i) {
      fibers.go([&] {
        const std::lock_guard guard(m);
        ++counter;
      });
    }
    wait_until_parked(static_cast<std::size_t>(crowd));
    m.unlock();
    fibers.join();
    EXPECT_EQ(counter, crowd);
  });
}

TEST_CASE("mutex: works with the guards of std") {
  run_on_each([] {
    ringo::mutex a;
    ringo::mutex b;
    {
      const std::lock_guard guard(a);
      EXPECT(!a.try_lock());
    }
    {
      std::unique_lock guard(a, std::try_to_lock);
      EXPECT(guard.owns_lock());
      const std::unique_lock second(a, std::try_to_lock);
      EXPECT(!second.owns_lock());
      guard.unlock();
      guard.lock();
      std::unique_lock moved = std::move(guard);
      EXPECT(moved.owns_lock());
    }
    {
      const std::scoped_lock both(a, b);
      EXPECT(!a.try_lock());
      EXPECT(!b.try_lock());
    }
    EXPECT(std::try_lock(a, b) == -1);
    a.unlock();
    b.unlock();
  });
}

TEST_CASE("mutex: scoped_lock takes two in either order without a deadlock") {
  run_on_each([] {
    ringo::mutex a;
    ringo::mutex b;
    int counter = 0;
    fiber_group fibers;
    for (int i = 0; i < 4; ++i) {
      fibers.go([&, swapped = i % 2 == 0] {
        for (int round = 0; round < hold_rounds; ++round) {
          const std::scoped_lock both(swapped ? a : b, swapped ? b : a);
          ++counter;
          if (round % 8 == 0) ringo::yield();
        }
      });
    }
    fibers.join();
    EXPECT_EQ(counter, 4 * hold_rounds);
  });
}

TEST_CASE("mutex: lock waits for the holder, also across its parks and on other workers") {
  run_on_each([] {
    ringo::mutex m;
    int inside = 0;
    int counter = 0;
    fiber_group fibers;
    for (int i = 0; i < 8; ++i) {
      fibers.go([&] {
        for (int round = 0; round < hold_rounds; ++round) {
          const std::lock_guard guard(m);
          EXPECT_EQ(++inside, 1);
          for (int yields = round % 4; yields > 0; --yields) ringo::yield();
          if (round % 16 == 0) ringo::spawn([] { ringo::yield(); }).join();
          ++counter;
          --inside;
        }
      });
    }
    fibers.join();
    EXPECT_EQ(counter, 8 * hold_rounds);
  });
}

TEST_CASE("SY-3: another fiber may unlock") {
  run_on_each([] {
    ringo::mutex m;
    ringo::spawn([&] { m.lock(); }).join();
    bool got = false;
    const auto waiting = go_until_parked(parked_in_lock, [&] {
      m.lock();
      got = true;
    });
    EXPECT(!m.try_lock());
    ringo::spawn([&] { m.unlock(); }).join();
    waiting.wait();
    EXPECT(got);
    m.unlock();
    EXPECT(m.try_lock());
    m.unlock();
  });
}

TEST_CASE("SY-3: a plain thread may unlock what a fiber locked, and the other way round") {
  run_on_each([] {
    ringo::mutex m;
    m.lock();
    const auto fiber = go_until_parked(parked_in_lock, [&] { m.lock(); });
    thread_group unlocker;
    unlocker.start([&] { m.unlock(); });
    fiber.wait();  // the fiber has it now
    thread_group threads;
    std::atomic<int> got{0};
    for (int i = 0; i < 3; ++i) {
      threads.start([&] {
        m.lock();
        ++got;
        m.unlock();
      });
    }
    threads.wait_until_asleep();
    EXPECT_EQ(got.load(), 0);
    m.unlock();
    threads.join();
    unlocker.join();
    EXPECT_EQ(got.load(), 3);
  });
}

TEST_CASE("SY-3: the holder's second lock waits until another one unlocks") {
  run_on_each([] {
    ringo::mutex m;
    const auto holder = go_until_parked(parked_in_lock, [&] {
      m.lock();
      m.lock();
      m.unlock();
    });
    m.unlock();
    holder.wait();
    EXPECT(m.try_lock());
    m.unlock();
  });
}

// Parks one fiber after the other, so that their order is known. Nobody else competes.
TEST_CASE("SY-7: those who wait are woken in the order in which they came") {
  run_on_each([] {
    ringo::mutex m;
    std::vector<int> order;
    std::vector<watched_fiber> fibers;
    m.lock();
    for (int i = 0; i < 20; ++i) {
      fibers.push_back(go_until_parked(parked_in_lock, [&, i] {
        const std::lock_guard guard(m);
        order.push_back(i);
      }));
    }
    m.unlock();
    for (const auto& fiber : fibers) fiber.wait();
    std::vector<int> expected(20);
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT(order == expected);
  });
}

TEST_CASE("SY-4: a failed try_lock changes nothing") {
  run_on_each([] {
    ringo::mutex m;
    int counter = 0;
    std::atomic<bool> over{false};
    fiber_group fibers;
    for (int i = 0; i < 3; ++i) {
      fibers.go([&] {
        while (!over) {
          if (m.try_lock()) {
            ++counter;
            m.unlock();
          }
          ringo::yield();
        }
      });
    }
    fiber_group lockers;
    int locked = 0;
    for (int i = 0; i < 3; ++i) {
      lockers.go([&] {
        for (int round = 0; round < hold_rounds; ++round) {
          const std::lock_guard guard(m);
          ++locked;
          if (round % 4 == 0) ringo::yield();
        }
      });
    }
    lockers.join();
    over = true;
    fibers.join();
    EXPECT_EQ(locked, 3 * hold_rounds);
    EXPECT(m.try_lock());
    m.unlock();
  });
}

// The value itself is not atomic: ThreadSanitizer sees whether unlock and lock order its uses.
TEST_CASE("SY-5: what was done before an unlock is seen after each later lock") {
  run_on_each([] {
    ringo::mutex m;
    int turn = 0;
    std::optional<std::vector<int>> value;
    const auto player = [&](int self, int rounds) {
      for (int round = 0; round < rounds; ringo::yield()) {
        const std::lock_guard guard(m);
        if (turn % 3 != self) continue;
        if (value) EXPECT(value->at(0) == turn - 1);
        value.emplace({turn, self});
        ++turn;
        ++round;
      }
    };
    fiber_group fibers;
    thread_group threads;
    fibers.go([&] { player(0, visible_rounds); });
    fibers.go([&] { player(1, visible_rounds); });
    threads.start([&] { player(2, visible_rounds); });
    fibers.join();
    threads.join();
    EXPECT_EQ(turn, 3 * visible_rounds);
  });
}

// After Go's TestMutexFairness. The hog parks only while it holds the lock, so that whoever it
// wakes with its unlock finds the lock taken again: only a direct hand-over helps.
TEST_CASE("SY-6: a hog cannot lock others out") {
  run_on_each([] {
    ringo::mutex m;
    std::atomic<bool> over{false};
    std::atomic<int> got{0};
    const auto hog = watched_fiber::start([&] {
      const auto end = std::chrono::steady_clock::now() + hog_time_max;
      while (!over && std::chrono::steady_clock::now() < end) {
        m.lock();
        for (int i = 0; i < 10; ++i) ringo::yield();
        m.unlock();
      }
      EXPECT_EQ(got.load(), hog_victim_rounds);
    });
    for (; got < hog_victim_rounds; ++got) {
      ringo::yield();
      m.lock();
      m.unlock();
    }
    over = true;
    hog.wait();
  });
}

TEST_CASE("mutex: is usable before, between and after runs") {
  int counter = 0;
  for (int run = 0; run < 3; ++run) {
    static_mutex.lock();
    ++counter;
    static_mutex.unlock();
    run_freely_on_each([&] {
      fiber_group fibers;
      for (int i = 0; i < 10; ++i) {
        fibers.go([&] {
          const std::lock_guard guard(static_mutex);
          ++counter;
          ringo::yield();
        });
      }
      fibers.join();
    });
  }
  CHECK(counter == 3 + 3 * 3 * 10);
}

TEST_CASE("mutex: fibers left over at the end of run are in no queue afterwards") {
  for_each_worker_count([](std::size_t workers) {
    ringo::mutex m;
    run_on(
        workers,
        [&] {
          m.lock();
          for (int i = 0; i < 5; ++i) go_until_parked(parked_in_lock, [&] { m.lock(); });
        },
        leftovers::allowed);
    CHECK_FALSE(m.try_lock());
    m.unlock();
    run_on(workers, [&] {
      m.lock();
      const auto waiting = go_until_parked(parked_in_lock, [&] { m.lock(); });
      m.unlock();
      waiting.wait();
      m.unlock();
    });
    CHECK(m.try_lock());
    m.unlock();
  });
}

// The unlock wakes the waiter, and the run ends before that has run. Once, the mutex remained in
// the belief that somebody was on its way, and woke nobody any more.
TEST_CASE("mutex: a waiter that was woken but never ran does not spoil it for the next run") {
  for_each_worker_count([](std::size_t workers) {
    ringo::mutex m;
    run_on(
        workers,
        [&] {
          m.lock();
          go_until_parked(parked_in_lock, [&] { const std::lock_guard guard(m); });
          m.unlock();
        },
        leftovers::allowed);
    // The waiter parks nowhere else: it had the lock and let it go, or it never ran.
    if (!m.try_lock()) {
      FAIL_CHECK("cannot be locked any more");
      return;
    }
    m.unlock();
    run_on(workers, [&] {
      m.lock();
      const auto waiting = go_until_parked(parked_in_lock, [&] { m.lock(); });
      m.unlock();
      waiting.wait();
      m.unlock();
    });
  });
}

TEST_CASE("mutex: fibers that wait when it is destroyed can be discarded") {
  for_each_worker_count([](std::size_t workers) {
    run_on(
        workers,
        [&] {
          auto m = std::make_unique<ringo::mutex>();
          m->lock();
          for (int i = 0; i < 3; ++i) {
            go_until_parked(parked_in_lock, [p = m.get()] { p->lock(); });
          }
        },
        leftovers::allowed);
  });
}
