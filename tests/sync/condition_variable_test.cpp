// The condition_variable. What the end of a run leaves is in condition_leftover_test.cpp, the end
// of its life in tests/stress/sync_destruction_test.cpp.

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <deque>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include <ringo/go.hpp>
#include <ringo/sync/condition_variable.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/sync/once.hpp>
#include <ringo/sync/once_func.hpp>
#include <ringo/sync/pool.hpp>
#include <ringo/sync/semaphore.hpp>
#include <ringo/sync/shared_mutex.hpp>
#include <ringo/sync/wait_group.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"

using namespace ringo::test;

namespace {

// clang-format off
//                                                  plain  asan   tsan
constexpr auto generations       = sizes::pick<int>(100,   100,   50);
constexpr auto broadcast_waiters = sizes::pick<int>(200,   100,   50);
constexpr auto broadcast_rounds  = sizes::pick<int>(200,   50,    30);
constexpr auto stealing_rounds   = sizes::pick<int>(1'000, 300,   100);
constexpr auto queue_values      = sizes::pick<int>(3'000, 1'000, 300);
constexpr auto race_rounds       = sizes::pick<int>(5'000, 2'000, 500);
// clang-format on

constexpr const char* parked_in_wait = "sync.Cond.Wait";

template <class T>
constexpr bool stays_where_it_is =
    !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T> &&
    !std::is_move_constructible_v<T> && !std::is_move_assignable_v<T>;

constinit ringo::condition_variable static_condition;

}  // namespace

TEST_CASE("SY-27: what has waiters can be neither copied nor moved") {
  CHECK(stays_where_it_is<ringo::condition_variable>);
  CHECK(stays_where_it_is<ringo::mutex>);
  CHECK(stays_where_it_is<ringo::shared_mutex>);
  CHECK(stays_where_it_is<ringo::wait_group>);
  CHECK(stays_where_it_is<ringo::once>);
  CHECK(stays_where_it_is<ringo::semaphore>);
  CHECK(stays_where_it_is<ringo::pool<int>>);
}

TEST_CASE("SY-24: wait unlocks, sleeps until notified, and locks again") {
  run_on_each([] {
    ringo::mutex m;
    ringo::condition_variable changed;
    const auto waiting = go_until_parked(parked_in_wait, [&] {
      std::unique_lock lock(m);
      changed.wait(lock);
      EXPECT(lock.owns_lock());
      EXPECT(!m.try_lock());
    });
    EXPECT(m.try_lock());
    changed.notify_one();
    // It is awake, but the lock is not free.
    eventually([&] { return waiting.parked_for("sync.Mutex.Lock"); });
    m.unlock();
    waiting.wait();
    EXPECT(m.try_lock());
    m.unlock();
  });
}

TEST_CASE("SY-24: wait returns exactly once for each wake-up") {
  run_on_each([] {
    ringo::mutex m;
    ringo::condition_variable changed;
    constexpr int waiters = 5;
    std::atomic<int> returned{0};
    std::atomic<bool> over{false};
    fiber_group noise;
    for (int i = 0; i < 3; ++i) {
      noise.go([&] {
        while (!over) {
          const std::lock_guard guard(m);
          ringo::yield();
        }
      });
    }
    std::vector<watched_fiber> fibers;
    for (int i = 0; i < waiters; ++i) {
      fibers.push_back(watched_fiber::start([&] {
        for (int round = 0; round < 20; ++round) {
          std::unique_lock lock(m);
          changed.wait(lock);
          ++returned;
        }
      }));
    }
    for (int sent = 0; sent < waiters * 20; ++sent) {
      eventually([&] {
        for (const auto& fiber : fibers) {
          if (fiber.parked_for(parked_in_wait)) return true;
        }
        return false;
      });
      EXPECT_EQ(returned.load(), sent);
      changed.notify_one();
      eventually([&] { return returned == sent + 1; });
    }
    for (const auto& fiber : fibers) fiber.wait();
    over = true;
    noise.join();
    EXPECT_EQ(returned.load(), waiters * 20);
  });
}

TEST_CASE("SY-24: wait with a predicate returns when it holds") {
  run_on_each([] {
    ringo::mutex m;
    ringo::condition_variable changed;
    int value = 0;
    const auto waiting = go_until_parked(parked_in_wait, [&] {
      std::unique_lock lock(m);
      changed.wait(lock, [&] {
        EXPECT(lock.owns_lock());
        return value == 3;
      });
      EXPECT_EQ(value, 3);
    });
    for (int i = 1; i <= 3; ++i) {
      {
        const std::lock_guard guard(m);
        value = i;
      }
      changed.notify_all();
      if (i == 3) break;
      let_others_run();
      eventually([&] { return waiting.parked_for(parked_in_wait); });
    }
    waiting.wait();
    std::unique_lock lock(m);
    changed.wait(lock, [] { return true; });
  });
}

// A bounded queue between plain threads and fibers: each wake-up that is lost hangs it, and each
// value is written and read under the lock alone.
TEST_CASE("SY-24: no wake-up is lost in a queue between fibers and plain threads") {
  run_on_each([] {
    ringo::mutex m;
    ringo::condition_variable not_empty;
    ringo::condition_variable not_full;
    std::deque<int> queue;
    constexpr int senders = 4;
    long long sum = 0;
    const auto send = [&] {
      for (int i = 1; i <= queue_values; ++i) {
        std::unique_lock lock(m);
        not_full.wait(lock, [&] { return queue.size() < 4; });
        queue.push_back(i);
        if (i % 2 == 0) lock.unlock();
        not_empty.notify_one();
      }
    };
    const auto receive = [&] {
      for (int i = 1; i <= queue_values; ++i) {
        std::unique_lock lock(m);
        not_empty.wait(lock, [&] { return !queue.empty(); });
        sum += queue.front();
        queue.pop_front();
        not_full.notify_one();
      }
    };
    fiber_group fibers;
    thread_group threads;
    for (int i = 0; i < senders - 1; ++i) {
      fibers.go(send);
      fibers.go(receive);
    }
    threads.start(send);
    threads.start(receive);
    fibers.join();
    threads.join();
    EXPECT_EQ(sum, static_cast<long long>(senders) * queue_values * (queue_values + 1) / 2);
  });
}

// After Go's TestCondSignalGenerations.
TEST_CASE("SY-25: notify_one wakes the one who has waited longest") {
  run_on_each([] {
    ringo::mutex m;
    ringo::condition_variable changed;
    std::vector<int> order;
    std::vector<watched_fiber> fibers;
    for (int i = 0; i < generations; ++i) {
      fibers.push_back(go_until_parked(parked_in_wait, [&, i] {
        std::unique_lock lock(m);
        changed.wait(lock);
        order.push_back(i);
      }));
      if (i == 0) continue;
      changed.notify_one();
      fibers[static_cast<std::size_t>(i) - 1].wait();
      const std::lock_guard guard(m);
      EXPECT_EQ(order.size(), static_cast<std::size_t>(i));
      EXPECT_EQ(order.back(), i - 1);
    }
    changed.notify_one();
    fibers.back().wait();
  });
}

// After Go's TestCondSignal.
TEST_CASE("SY-25: notify_one wakes exactly one") {
  run_on_each([] {
    ringo::mutex m;
    ringo::condition_variable changed;
    std::atomic<int> awake{0};
    std::vector<watched_fiber> fibers;
    for (int i = 0; i < 10; ++i) {
      fibers.push_back(go_until_parked(parked_in_wait, [&] {
        std::unique_lock lock(m);
        changed.wait(lock);
        ++awake;
      }));
    }
    for (int i = 1; i <= 10; ++i) {
      {
        const std::lock_guard guard(m);
        changed.notify_one();
      }
      eventually([&] { return awake == i; });
      let_others_run();
      EXPECT_EQ(awake.load(), i);
    }
    changed.notify_one();
    for (const auto& fiber : fibers) fiber.wait();
  });
}

// After Go's TestCondBroadcast.
TEST_CASE("SY-25: notify_all wakes everybody who waits exactly once") {
  run_freely_on_each([] {
    ringo::mutex m;
    ringo::condition_variable changed;
    std::atomic<int> arrived{0};
    bool over = false;
    std::vector<int> wakes(static_cast<std::size_t>(broadcast_waiters));
    fiber_group fibers;
    for (int i = 0; i < broadcast_waiters; ++i) {
      fibers.go([&, i] {
        std::unique_lock lock(m);
        for (;;) {
          ++arrived;
          changed.wait(lock);
          ++wakes[static_cast<std::size_t>(i)];
          if (over) return;
        }
      });
    }
    for (int round = 1; round <= broadcast_rounds; ++round) {
      eventually([&] { return arrived == broadcast_waiters; });
      const std::lock_guard guard(m);  // who has arrived waits when the lock is free
      for (const int count : wakes) EXPECT_EQ(count, round - 1);
      arrived = 0;
      over = round == broadcast_rounds;
      changed.notify_all();
    }
    fibers.join();
    for (const int count : wakes) EXPECT_EQ(count, broadcast_rounds);
  });
}

TEST_CASE("SY-25: notifications that nobody waits for are lost") {
  run_on_each([] {
    ringo::mutex m;
    ringo::condition_variable changed;
    changed.notify_one();
    changed.notify_all();
    const auto waiting = go_until_parked(parked_in_wait, [&] {
      std::unique_lock lock(m);
      changed.wait(lock);
    });
    let_others_run();
    EXPECT(waiting.parked_for(parked_in_wait));
    changed.notify_one();
    waiting.wait();
  });
}

// After Go's TestCondSignalStealing: the one who comes later and is notified all the same must not
// take the notification from the one who came first.
TEST_CASE("SY-26: a notification cannot be stolen by one who comes later") {
  run_on_each([] {
    for (int round = 0; round < stealing_rounds; ++round) {
      ringo::mutex m;
      ringo::condition_variable changed;
      std::atomic<bool> first_waits{false};
      const auto first = watched_fiber::start([&] {
        std::unique_lock lock(m);
        first_waits = true;
        changed.wait(lock);
      });
      eventually([&] { return first_waits.load(); });
      { const std::lock_guard guard(m); }  // it waits now
      bool done = false;
      const auto second = watched_fiber::start([&] {
        std::unique_lock lock(m);
        changed.wait(lock, [&] { return done; });
      });
      changed.notify_one();
      first.wait();
      {
        const std::lock_guard guard(m);
        done = true;
      }
      changed.notify_all();
      second.wait();
    }
  });
}

// The unlock takes long, or parks: the notification comes while the waiter is not yet at rest.
TEST_CASE("SY-26: a notification between the unlock and the sleep is not lost") {
  struct slow_lock {
    ringo::condition_variable& changed;
    ringo::once& notified;
    int kind;
    void lock() {}
    void unlock() {
      if (kind == 0) return changed.notify_one();
      if (kind == 1) return changed.notify_all();
      notified.call([&] { ringo::spawn([&] { changed.notify_one(); }).join(); });
    }
  };
  const auto check = [](int kinds) {
    for (int kind = 0; kind < kinds; ++kind) {
      ringo::condition_variable changed;
      ringo::once notified;
      slow_lock lock{changed, notified, kind};
      changed.wait(lock);
    }
  };
  check(2);
  run_on_each([&] { check(3); });
}

TEST_CASE("SY-26: notifications race with waits, with the lock held and without") {
  run_on_each([] {
    ringo::mutex m;
    ringo::condition_variable changed;
    int turn = 0;
    const auto play = [&](int self, bool notify_unlocked) {
      for (int round = 0; round < race_rounds; ++round) {
        std::unique_lock lock(m);
        changed.wait(lock, [&] { return turn % 2 == self; });
        ++turn;
        if (notify_unlocked) lock.unlock();
        changed.notify_one();
      }
    };
    fiber_group fibers;
    fibers.go([&] { play(0, true); });
    fibers.go([&] { play(1, false); });
    fibers.join();
    EXPECT_EQ(turn, 2 * race_rounds);
  });
}

TEST_CASE("condition_variable: works with any lock") {
  run_on_each([] {
    ringo::mutex m;
    ringo::shared_mutex rw;
    std::mutex standard;
    ringo::condition_variable changed;
    const auto direct = go_until_parked(parked_in_wait, [&] {
      m.lock();
      changed.wait(m);
      EXPECT(!m.try_lock());
      m.unlock();
    });
    const auto shared = go_until_parked(parked_in_wait, [&] {
      std::shared_lock lock(rw);
      changed.wait(lock);
      EXPECT(lock.owns_lock());
    });
    const auto foreign = go_until_parked(parked_in_wait, [&] {
      std::unique_lock lock(standard);
      changed.wait(lock);
      EXPECT(lock.owns_lock());
    });
    changed.notify_all();
    direct.wait();
    shared.wait();
    foreign.wait();
  });
}

TEST_CASE("condition_variable: what unlock throws leaves wait, and nobody waits") {
  run_on_each([] {
    ringo::mutex m;
    ringo::condition_variable changed;
    std::unique_lock lock(m, std::defer_lock);
    bool thrown = false;
    try {
      changed.wait(lock);
    } catch (const std::system_error&) {
      thrown = true;
    }
    EXPECT(thrown);
    const auto waiting = go_until_parked(parked_in_wait, [&] {
      m.lock();
      changed.wait(m);
      m.unlock();
    });
    changed.notify_one();
    waiting.wait();
  });
}

TEST_CASE("condition_variable: works between plain threads without a runtime") {
  ringo::mutex m;
  int turn = 0;
  {
    thread_group threads;
    for (int self = 0; self < 2; ++self) {
      threads.start([&, self] {
        for (int round = 0; round < race_rounds / 10; ++round) {
          std::unique_lock lock(m);
          static_condition.wait(lock, [&] { return turn % 2 == self; });
          ++turn;
          static_condition.notify_all();
        }
      });
    }
  }
  CHECK(turn == 2 * (race_rounds / 10));
}
