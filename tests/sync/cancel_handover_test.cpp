// What each lock does for others when one of those who wait gives up.

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <vector>

#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/sync/condition_variable.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/sync/shared_mutex.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"

using namespace ringo::test;
using ringo::background;
using ringo::with_cancel;

namespace {

// clang-format off
//                                            plain  asan   tsan
constexpr auto race_rounds = sizes::pick<int>(3'000, 1'000, 300);
constexpr auto hog_rounds  = sizes::pick<int>(300,   100,   50);
// clang-format on

const std::error_code canceled = ringo::errc::canceled;

constexpr const char* parked_in_wait = "sync.Cond.Wait";
constexpr const char* parked_in_lock = "sync.RWMutex.Lock";
constexpr const char* parked_in_lock_shared = "sync.RWMutex.RLock";

}  // namespace

TEST_CASE("shared_mutex: a cancelled writer lets in the readers that it kept out") {
  run_on_each([] {
    ringo::shared_mutex m;
    m.lock_shared();
    auto [ctx, cancel] = with_cancel(background());
    const auto writer =
        go_until_parked(parked_in_lock, [&, ctx = ctx] { EXPECT(m.lock(ctx) == canceled); });
    std::vector<watched_fiber> readers;
    for (int i = 0; i < 3; ++i) {
      readers.push_back(go_until_parked(parked_in_lock_shared, [&] { m.lock_shared(); }));
    }
    const auto second_writer = go_until_parked(parked_in_lock, [&] { m.lock(); });
    const auto behind = go_until_parked(parked_in_lock_shared, [&] { m.lock_shared(); });
    EXPECT(!m.try_lock_shared());
    cancel();
    writer.wait();
    for (const auto& reader : readers) reader.wait();
    let_others_run();
    EXPECT(second_writer.parked_for(parked_in_lock));
    EXPECT(behind.parked_for(parked_in_lock_shared));
    for (int i = 0; i < 4; ++i) m.unlock_shared();
    second_writer.wait();
    m.unlock();
    behind.wait();
    m.unlock_shared();
    EXPECT(m.try_lock());
    m.unlock();
  });
}

// Long waits bring on starvation mode, where the lock goes from hand to hand; then waiters leave at
// the front, in the middle and at the end of the line, some just as they are handed the lock.
TEST_CASE("mutex: in starvation mode, too, one who gives up does not keep the lock from others") {
  run_on_each([] {
    ringo::mutex m;
    int counter = 0;
    std::atomic<bool> over{false};
    fiber_group hogs;
    for (int i = 0; i < 2; ++i) {
      hogs.go([&] {
        while (!over) {
          const std::lock_guard guard(m);
          ++counter;
          for (int yields = 0; yields < 20; ++yields) ringo::yield();
        }
      });
    }
    fiber_group others;
    std::atomic<int> got{0};
    for (int i = 0; i < 4; ++i) {
      others.go([&, i] {
        for (int round = 0; round < hog_rounds; ++round) {
          auto [ctx, cancel] = with_cancel(background());
          auto canceller = ringo::spawn([cancel = cancel, late = (round + i) % 7 * 30] {
            for (int yields = 0; yields < late; ++yields) ringo::yield();
            cancel();
          });
          if (!m.lock(ctx)) {
            ++counter;
            ++got;
            m.unlock();
          }
          canceller.join();
        }
      });
    }
    for (int round = 0; round < hog_rounds / 5; ++round) {
      const std::lock_guard guard(m);
      ++counter;
    }
    others.join();
    over = true;
    hogs.join();
    EXPECT(m.try_lock());
    m.unlock();
  });
}

TEST_CASE("condition_variable: wait with a context has the lock again, however it ends") {
  run_on_each([] {
    ringo::mutex m;
    ringo::condition_variable changed;
    const auto tree = with_cancel(background());
    const auto waits = [&](std::error_code want) {
      return [&, want] {
        std::unique_lock lock(m);
        EXPECT(changed.wait(tree.ctx, lock) == want);
        EXPECT(lock.owns_lock());
        EXPECT(!m.try_lock());
      };
    };
    const auto notified = go_until_parked(parked_in_wait, waits({}));
    const auto given_up = go_until_parked(parked_in_wait, waits(canceled));
    changed.notify_one();
    notified.wait();
    m.lock();
    tree.cancel();
    let_others_run();
    EXPECT(!given_up.finished());  // it waits for the lock
    m.unlock();
    given_up.wait();
    const auto at_once = watched_fiber::start(waits(canceled));
    at_once.wait();
    EXPECT(m.try_lock());
    m.unlock();
  });
}

TEST_CASE("condition_variable: a context that is done wins over a predicate that holds") {
  run_on_each([] {
    ringo::mutex m;
    ringo::condition_variable changed;
    auto [ctx, cancel] = with_cancel(background());
    std::unique_lock lock(m);
    EXPECT(!changed.wait(ctx, lock, [] { return true; }));
    cancel();
    EXPECT(changed.wait(ctx, lock, [] { return true; }) == canceled);
  });
}

TEST_CASE("condition_variable: a notification passes over those who have given up") {
  run_on_each([] {
    ringo::mutex m;
    ringo::condition_variable changed;
    auto [ctx, cancel] = with_cancel(background());
    const auto first = go_until_parked(parked_in_wait, [&, ctx = ctx] {
      std::unique_lock lock(m);
      EXPECT(changed.wait(ctx, lock) == canceled);
    });
    const auto second = go_until_parked(parked_in_wait, [&] {
      std::unique_lock lock(m);
      changed.wait(lock);
    });
    cancel();
    changed.notify_one();
    first.wait();
    second.wait();
  });
}

// One notification, and one cancellation of the first who waits, in any order and in the middle of
// each other: it goes to the first, who then returns success, or to the second.
TEST_CASE("condition_variable: a notification that races with a cancellation is not lost") {
  run_on_each([] {
    ringo::mutex m;
    ringo::condition_variable changed;
    for (int round = 0; round < race_rounds; ++round) {
      auto [ctx, cancel] = with_cancel(background());
      std::atomic<int> waiting{0};
      std::atomic<bool> second_woken{false};
      auto first = ringo::spawn([&, ctx = ctx] {
        std::unique_lock lock(m);
        ++waiting;
        return changed.wait(ctx, lock);
      });
      eventually([&] { return waiting == 1 && m.try_lock(); });
      m.unlock();
      auto second = ringo::spawn([&] {
        std::unique_lock lock(m);
        ++waiting;
        changed.wait(lock);
        second_woken = true;
      });
      eventually([&] { return waiting == 2 && m.try_lock(); });
      m.unlock();
      auto cancels = ringo::spawn([cancel = cancel] { cancel(); });
      if (round % 2 == 0) ringo::yield();
      if (round % 4 < 2) {
        changed.notify_one();
      } else {
        const std::lock_guard guard(m);
        changed.notify_one();
      }
      if (first.join()) {
        second.join();
      } else {
        EXPECT(!second_woken);
        changed.notify_one();
        second.join();
      }
      cancels.join();
    }
  });
}

// The cancellation comes while the waiter is in the queue but has not unlocked yet, from inside
// unlock(); and so does a notification, in the other order too.
TEST_CASE("condition_variable: cancelled and notified on the way to rest") {
  struct meddling_lock {
    std::vector<int> steps;  // 1: cancel, 2: notify
    ringo::condition_variable& changed;
    const ringo::cancel_function& cancel;
    int locked = 1;
    void lock() { ++locked; }
    void unlock() {
      --locked;
      for (const int step : steps) step == 1 ? cancel() : changed.notify_one();
    }
  };
  const auto check = [] {
    const struct {
      std::vector<int> steps;
      bool gives_up;
    } table[] = {{{1}, true}, {{2}, false}, {{1, 2}, true}, {{2, 1}, false}};
    for (const auto& row : table) {
      ringo::condition_variable changed;
      const auto tree = with_cancel(background());
      meddling_lock lock{row.steps, changed, tree.cancel};
      const auto given_up = changed.wait(tree.ctx, lock);
      EXPECT(row.gives_up ? given_up == canceled : !given_up);
      EXPECT_EQ(lock.locked, 1);
    }
  };
  check();
  run_on_each(check);
}

// unlock() throws: wait() leaves without sleeping, and nobody finds the waiter afterwards.
TEST_CASE("condition_variable: an unlock that throws leaves a wait with a context") {
  struct throwing_lock {
    const ringo::cancel_function* cancel;
    void lock() {}
    void unlock() {
      if (cancel != nullptr) (*cancel)();
      throw std::runtime_error("x");
    }
  };
  run_on_each([] {
    for (const bool cancelled : {false, true}) {
      ringo::condition_variable changed;
      const auto tree = with_cancel(background());
      throwing_lock lock{cancelled ? &tree.cancel : nullptr};
      bool caught = false;
      try {
        (void)changed.wait(tree.ctx, lock);
      } catch (const std::runtime_error&) {
        caught = true;
      }
      EXPECT(caught);
      tree.cancel();
      changed.notify_all();
    }
  });
}

TEST_CASE("condition_variable: notify_all wakes all but those who have given up") {
  run_on_each([] {
    ringo::mutex m;
    ringo::condition_variable changed;
    for (int round = 0; round < race_rounds / 10; ++round) {
      auto [ctx, cancel] = with_cancel(background());
      std::atomic<int> ended{0};
      fiber_group fibers;
      for (int i = 0; i < 6; ++i) {
        fibers.go([&, i, ctx = ctx] {
          std::unique_lock lock(m);
          if (i % 2 == 0) {
            const auto given_up = changed.wait(ctx, lock);
            EXPECT((!given_up || given_up == canceled));
          } else {
            changed.wait(lock);
          }
          ++ended;
        });
      }
      wait_until_parked(6);
      auto cancels = ringo::spawn([cancel = cancel] { cancel(); });
      if (round % 2 == 0) ringo::yield();
      changed.notify_all();
      fibers.join();
      EXPECT_EQ(ended.load(), 6);
      cancels.join();
    }
  });
}
