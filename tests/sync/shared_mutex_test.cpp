// The shared_mutex. Misuse that ends the process is in sync_death_test.cpp, the end of its life in
// tests/stress/sync_destruction_test.cpp.

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <type_traits>
#include <vector>

#include <ringo/go.hpp>
#include <ringo/sync/condition_variable.hpp>
#include <ringo/sync/shared_mutex.hpp>
#include <ringo/sync/wait_group.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"

using namespace ringo::test;

static_assert(!std::is_copy_constructible_v<ringo::shared_mutex>);
static_assert(!std::is_copy_assignable_v<ringo::shared_mutex>);
static_assert(!std::is_move_constructible_v<ringo::shared_mutex>);

namespace {

// clang-format off
//                                               plain  asan   tsan
constexpr auto hammer_loops   = sizes::pick<int>(1'000, 500,   200);
constexpr auto crowd          = sizes::pick<int>(2'000, 500,   200);
constexpr auto visible_rounds = sizes::pick<int>(500,   200,   100);
constexpr auto victim_rounds  = sizes::pick<int>(200,   100,   50);
// clang-format on

constexpr const char* parked_in_lock = "sync.RWMutex.Lock";
constexpr const char* parked_in_lock_shared = "sync.RWMutex.RLock";

constinit ringo::shared_mutex static_mutex;

constexpr int one_writer = 10'000;

/// Go's HammerRWMutex: `activity` counts readers, and each writer as 10'000.
void read_once(ringo::shared_mutex& m, std::atomic<int>& activity, bool park) {
  const std::shared_lock guard(m);
  const int now = activity += 1;
  EXPECT(now >= 1);
  EXPECT(now < one_writer);
  if (park) ringo::yield();
  activity -= 1;
}

void write_once(ringo::shared_mutex& m, std::atomic<int>& activity, int& counter, bool park) {
  const std::unique_lock guard(m);
  EXPECT_EQ(activity += one_writer, one_writer);
  ++counter;
  if (park) ringo::yield();
  activity -= one_writer;
}

void hammer(ringo::shared_mutex& m, std::atomic<int>& activity, int& counter) {
  for (int i = 0; i < hammer_loops; ++i) {
    for (int reads = 0; reads < 5; ++reads) read_once(m, activity, i % 8 == 0);
    write_once(m, activity, counter, i % 8 == 4);
    if (m.try_lock()) {
      ++counter;
      --counter;
      m.unlock();
    }
    if (m.try_lock_shared()) m.unlock_shared();
  }
}

}  // namespace

TEST_CASE("SY-9: try_lock and try_lock_shared tell who may come in") {
  const auto check = [](ringo::shared_mutex& m) {
    EXPECT(m.try_lock());
    EXPECT(!m.try_lock());
    EXPECT(!m.try_lock_shared());
    m.unlock();
    EXPECT(m.try_lock_shared());
    EXPECT(m.try_lock_shared());
    EXPECT(!m.try_lock());
    m.unlock_shared();
    EXPECT(!m.try_lock());
    m.unlock_shared();
    EXPECT(m.try_lock());
    m.unlock();
  };
  check(static_mutex);
  run_on_each([&] {
    ringo::shared_mutex m;
    check(m);
    check(static_mutex);
  });
  check(static_mutex);
}

// After Go's TestParallelReaders: each holds the lock until all of them do.
TEST_CASE("SY-9: readers are inside together") {
  run_on_each([] {
    ringo::shared_mutex m;
    ringo::wait_group inside;
    inside.add(20);
    fiber_group fibers;
    for (int i = 0; i < 20; ++i) {
      fibers.go([&] {
        const std::shared_lock guard(m);
        inside.done();
        inside.wait();
      });
    }
    fibers.join();
  });
}

TEST_CASE("SY-9: a writer is alone, under load") {
  run_on_each([] {
    ringo::shared_mutex m;
    std::atomic<int> activity{0};
    int counter = 0;
    fiber_group fibers;
    for (int i = 0; i < 8; ++i) fibers.go([&] { hammer(m, activity, counter); });
    fibers.join();
    EXPECT_EQ(counter, 8 * hammer_loops);
  });
}

TEST_CASE("SY-9: a writer is alone among plain threads and fibers") {
  run_on_each([] {
    ringo::shared_mutex m;
    std::atomic<int> activity{0};
    int counter = 0;
    fiber_group fibers;
    thread_group threads;
    for (int i = 0; i < 3; ++i) {
      fibers.go([&] { hammer(m, activity, counter); });
      threads.start([&] { hammer(m, activity, counter); });
    }
    fibers.join();
    threads.join();
    EXPECT_EQ(counter, 6 * hammer_loops);
  });
}

TEST_CASE("SY-9: a writer waits for all readers, and readers wait for the writer") {
  run_on_each([] {
    ringo::shared_mutex m;
    m.lock_shared();
    m.lock_shared();
    bool wrote = false;
    const auto writer = go_until_parked(parked_in_lock, [&] {
      m.lock();
      wrote = true;
    });
    m.unlock_shared();
    EXPECT(writer.parked_for(parked_in_lock));
    m.unlock_shared();
    writer.wait();
    const auto reader = go_until_parked(parked_in_lock_shared, [&] {
      m.lock_shared();
      EXPECT(wrote);
      m.unlock_shared();
    });
    m.unlock();
    reader.wait();
    EXPECT(m.try_lock());
    m.unlock();
  });
}

TEST_CASE("SY-10: a writer that waits keeps new readers out") {
  run_on_each([] {
    ringo::shared_mutex m;
    m.lock_shared();
    EXPECT(m.try_lock_shared());
    m.unlock_shared();
    bool wrote = false;
    const auto writer = go_until_parked(parked_in_lock, [&] {
      const std::unique_lock guard(m);
      wrote = true;
    });
    EXPECT(!m.try_lock_shared());
    ringo::spawn([&] { EXPECT(!m.try_lock_shared()); }).join();
    const auto reader = go_until_parked(parked_in_lock_shared, [&] {
      const std::shared_lock guard(m);
      EXPECT(wrote);
    });
    m.unlock_shared();
    writer.wait();
    reader.wait();
    EXPECT(m.try_lock());
    m.unlock();
  });
}

// At any time at least one reader is inside: without the rule no writer would ever come in.
TEST_CASE("SY-10: readers that take turns do not starve a writer") {
  run_on_each([] {
    ringo::shared_mutex m;
    std::atomic<bool> over{false};
    fiber_group readers;
    for (int i = 0; i < 4; ++i) {
      readers.go([&] {
        while (!over) {
          const std::shared_lock guard(m);
          for (int yields = 0; yields < 4; ++yields) ringo::yield();
        }
      });
    }
    for (int i = 0; i < victim_rounds; ++i) {
      m.lock();
      ringo::yield();
      m.unlock();
    }
    over = true;
    readers.join();
  });
}

// R1 to R3 come before W2, R4 and R5 behind it.
TEST_CASE("SY-11: when a writer unlocks, all readers that wait go before the next writer") {
  run_on_each([] {
    ringo::shared_mutex m;
    std::atomic<int> readers{0};
    std::vector<watched_fiber> fibers;
    const auto add_reader = [&] {
      fibers.push_back(go_until_parked(parked_in_lock_shared, [&] {
        const std::shared_lock guard(m);
        ++readers;
        ringo::yield();
      }));
    };
    m.lock();
    for (int i = 0; i < 3; ++i) add_reader();
    fibers.push_back(go_until_parked(parked_in_lock, [&] {
      const std::unique_lock guard(m);
      EXPECT_EQ(readers.load(), 5);
    }));
    for (int i = 0; i < 2; ++i) add_reader();
    m.unlock();
    for (const auto& fiber : fibers) fiber.wait();
    EXPECT_EQ(readers.load(), 5);
  });
}

TEST_CASE("shared_mutex: writers get it in the order in which they came") {
  run_on_each([] {
    ringo::shared_mutex m;
    std::vector<int> order;
    std::vector<watched_fiber> fibers;
    m.lock_shared();
    for (int i = 0; i < 20; ++i) {
      fibers.push_back(go_until_parked(parked_in_lock, [&, i] {
        const std::unique_lock guard(m);
        order.push_back(i);
      }));
    }
    m.unlock_shared();
    for (const auto& fiber : fibers) fiber.wait();
    EXPECT_EQ(order.size(), std::size_t{20});
    for (std::size_t i = 0; i < order.size(); ++i) EXPECT_EQ(order[i], static_cast<int>(i));
  });
}

// std::shared_lock is what Go calls RLocker.
TEST_CASE("SY-13: std::shared_lock is a lock for unique_lock and condition_variable") {
  run_on_each([] {
    ringo::shared_mutex m;
    ringo::condition_variable changed;
    bool ready = false;
    std::shared_lock reader(m, std::defer_lock);
    {
      const std::unique_lock outer(reader);
      EXPECT(m.try_lock_shared());
      EXPECT(!m.try_lock());
      m.unlock_shared();
    }
    EXPECT(m.try_lock());
    m.unlock();
    std::vector<watched_fiber> waiting;
    for (int i = 0; i < 3; ++i) {
      waiting.push_back(go_until_parked("sync.Cond.Wait", [&] {
        std::shared_lock own(m);
        changed.wait(own, [&] { return ready; });
        EXPECT(own.owns_lock());
        EXPECT(!m.try_lock());
      }));
    }
    {
      const std::scoped_lock writer(m);
      ready = true;
    }
    changed.notify_all();
    for (const auto& fiber : waiting) fiber.wait();
    EXPECT(m.try_lock());
    m.unlock();
  });
}

// The values are not atomic: ThreadSanitizer sees whether the locks order their uses.
TEST_CASE("SY-14: unlocks come before the locks that they let in") {
  run_on_each([] {
    ringo::shared_mutex m;
    int turn = 0;
    std::optional<std::vector<int>> value;
    const auto write = [&] {
      for (int i = 0; i < visible_rounds; ++i) {
        const std::unique_lock guard(m);
        ++turn;
        value.emplace({turn, -turn});
        if (i % 8 == 0) ringo::yield();
      }
    };
    const auto read = [&] {
      for (int last = 0, i = 0; i < visible_rounds; ++i) {
        const std::shared_lock guard(m);
        EXPECT(turn >= last);
        last = turn;
        if (value) EXPECT(value->at(0) == turn && value->at(1) == -turn);
        if (i % 8 == 0) ringo::yield();
      }
    };
    fiber_group fibers;
    thread_group threads;
    fibers.go(write);
    for (int i = 0; i < 3; ++i) fibers.go(read);
    threads.start(write);
    threads.start(read);
    fibers.join();
    threads.join();
    EXPECT_EQ(turn, 2 * visible_rounds);
  });
}

TEST_CASE("shared_mutex: a crowd of readers and writers all get the lock") {
  run_on_each([] {
    ringo::shared_mutex m;
    int counter = 0;
    std::atomic<int> reads{0};
    m.lock();
    fiber_group fibers;
    for (int i = 0; i < crowd; ++i) {
      fibers.go([&, writes = i % 4 == 0] {
        if (writes) {
          const std::unique_lock guard(m);
          ++counter;
        } else {
          const std::shared_lock guard(m);
          ++reads;
        }
      });
    }
    wait_until_parked(static_cast<std::size_t>(crowd));
    m.unlock();
    fibers.join();
    EXPECT_EQ(counter + reads.load(), crowd);
  });
}

TEST_CASE("shared_mutex: another fiber or thread may unlock") {
  run_on_each([] {
    ringo::shared_mutex m;
    m.lock();
    const auto reader = go_until_parked(parked_in_lock_shared, [&] { m.lock_shared(); });
    ringo::spawn([&] { m.unlock(); }).join();
    reader.wait();
    const auto writer = go_until_parked(parked_in_lock, [&] { m.lock(); });
    thread_group threads;
    threads.start([&] { m.unlock_shared(); });
    threads.join();
    writer.wait();
    m.unlock();
  });
}

TEST_CASE("shared_mutex: fibers left over at the end of run are in no queue afterwards") {
  for_each_worker_count([](std::size_t workers) {
    ringo::shared_mutex m;
    run_on(
        workers,
        [&] {
          m.lock();
          for (int i = 0; i < 3; ++i) {
            go_until_parked(parked_in_lock, [&] { m.lock(); });
            go_until_parked(parked_in_lock_shared, [&] { m.lock_shared(); });
          }
        },
        leftovers::allowed);
    CHECK_FALSE(m.try_lock());
    CHECK_FALSE(m.try_lock_shared());
    m.unlock();
    CHECK(m.try_lock());
    m.unlock();
  });
}

// The lock is handed over, and the run ends before those who got it have run.
TEST_CASE("shared_mutex: who was let in but never ran does not keep it for the next run") {
  for_each_worker_count([](std::size_t workers) {
    ringo::shared_mutex m;
    const auto leave_with = [&](auto&& take) {
      run_on(
          workers,
          [&] {
            m.lock();
            take();
            m.unlock();
          },
          leftovers::allowed);
      CHECK(m.try_lock());
      m.unlock();
    };
    leave_with([&] { go_until_parked(parked_in_lock, [&] { const std::unique_lock guard(m); }); });
    leave_with([&] {
      for (int i = 0; i < 3; ++i) {
        go_until_parked(parked_in_lock_shared, [&] { const std::shared_lock guard(m); });
      }
      go_until_parked(parked_in_lock, [&] { const std::unique_lock guard(m); });
    });
  });
}

// The writer that is left over was all that kept the readers out, of which one is left over, too.
TEST_CASE("shared_mutex: a left-over writer does not keep a plain thread waiting") {
  for_each_worker_count([](std::size_t workers) {
    ringo::shared_mutex m;
    thread_group threads;
    m.lock_shared();
    run_on(
        workers,
        [&] {
          go_until_parked(parked_in_lock, [&] { m.lock(); });
          go_until_parked(parked_in_lock_shared, [&] { m.lock_shared(); });
          threads.start([&] {
            m.lock_shared();
            m.unlock_shared();
          });
          threads.wait_until_asleep();
        },
        leftovers::allowed);
    threads.join();
    m.unlock_shared();
    CHECK(m.try_lock());
    m.unlock();
  });
}

TEST_CASE("shared_mutex: fibers that wait when it is destroyed can be discarded") {
  for_each_worker_count([](std::size_t workers) {
    run_on(
        workers,
        [&] {
          auto m = std::make_unique<ringo::shared_mutex>();
          m->lock();
          for (int i = 0; i < 3; ++i) {
            go_until_parked(parked_in_lock, [p = m.get()] { p->lock(); });
            go_until_parked(parked_in_lock_shared, [p = m.get()] { p->lock_shared(); });
          }
        },
        leftovers::allowed);
  });
}
