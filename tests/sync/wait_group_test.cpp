// The wait_group. How a process ends by what leaves wait_group::go is in sync_death_test.cpp, the
// end of a wait_group's life in tests/stress/destruction_test.cpp.

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/sync/wait_group.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"

using namespace ringo::test;

static_assert(!std::is_copy_constructible_v<ringo::wait_group>);
static_assert(!std::is_copy_assignable_v<ringo::wait_group>);

namespace {

// clang-format off
//                                              plain  asan   tsan
constexpr auto race_rounds   = sizes::pick<int>(3'000, 1'000, 500);
constexpr auto many_waiters  = sizes::pick<int>(2'000, 1'000, 300);
constexpr auto counted       = sizes::pick<int>(5'000, 1'000, 500);
constexpr auto tree_depth    = sizes::pick<int>(10,    8,     6);
// clang-format on

constexpr const char* parked_in_wait = "sync.WaitGroup.Wait";

/// One round of Go's testWaitGroup: waiters pass the first barrier only when all have come.
void two_barriers(ringo::wait_group& first, ringo::wait_group& second) {
  constexpr int n = 16;
  first.add(n);
  second.add(n);
  auto exited = ringo::make_chan<bool>(n);
  for (int i = 0; i < n; ++i) {
    ringo::go([&first, &second, exited] {
      first.done();
      second.wait();
      exited.send(true);
    });
  }
  first.wait();
  for (int i = 0; i < n; ++i) {
    EXPECT(!exited.try_recv());
    second.done();
  }
  for (int i = 0; i < n; ++i) EXPECT_EQ(exited.recv(), std::optional<bool>(true));
}

}  // namespace

TEST_CASE(
    "SY-15: wait returns when the counter is zero and releases all who wait, again and again") {
  run_on_each([] {
    ringo::wait_group first;
    ringo::wait_group second;
    for (int round = 0; round < 8; ++round) two_barriers(first, second);
  });
}

TEST_CASE("SY-15: wait returns at once when the counter is zero") {
  const auto check = [] {
    ringo::wait_group group;
    group.wait();
    group.add(2);
    group.add(-2);
    group.wait();
    group.add(0);
    group.wait();
  };
  check();
  run_on_each(check);
}

TEST_CASE("SY-15: wait does not return before the last done") {
  run_on_each([] {
    ringo::wait_group group;
    group.add(3);
    const auto waiting = go_until_parked(parked_in_wait, [&] { group.wait(); });
    group.done();
    group.done();
    let_others_run();
    EXPECT(waiting.parked_for(parked_in_wait));
    group.done();
    waiting.wait();
  });
}

TEST_CASE("SY-15: many fibers and plain threads wait together") {
  run_on_each([] {
    ringo::wait_group group;
    group.add();
    int value = 0;
    std::atomic<int> seen{0};
    fiber_group fibers;
    thread_group threads;
    for (int i = 0; i < many_waiters; ++i) {
      fibers.go([&] {
        group.wait();
        seen += value;
      });
    }
    for (int i = 0; i < 4; ++i) {
      threads.start([&] {
        group.wait();
        seen += value;
      });
    }
    wait_until_parked(static_cast<std::size_t>(many_waiters));
    threads.wait_until_asleep();
    EXPECT_EQ(seen.load(), 0);
    value = 1;
    group.done();
    fibers.join();
    threads.join();
    EXPECT_EQ(seen.load(), many_waiters + 4);
  });
}

TEST_CASE("SY-15: add counts up and down by any amount") {
  run_on_each([] {
    ringo::wait_group group;
    group.add(counted);
    const auto waiting = go_until_parked(parked_in_wait, [&] { group.wait(); });
    group.add(counted);
    group.add(-counted / 2);
    group.add(-counted + counted / 2);
    EXPECT(waiting.parked_for(parked_in_wait));
    fiber_group fibers;
    for (int i = 0; i < counted; ++i) fibers.go([&] { group.done(); });
    fibers.join();
    waiting.wait();
  });
}

TEST_CASE("SY-16: a negative counter panics") {
  const auto check = [] {
    ringo::wait_group group;
    EXPECT_EQ(panic_text([&] { group.done(); }), std::string("sync: negative WaitGroup counter"));
    ringo::wait_group other;
    other.add();
    other.done();
    EXPECT_EQ(panic_text([&] { other.done(); }), std::string("sync: negative WaitGroup counter"));
    ringo::wait_group third;
    third.add(5);
    EXPECT_EQ(panic_text([&] { third.add(-6); }), std::string("sync: negative WaitGroup counter"));
  };
  check();
  run_on_each(check);
}

// What is allowed: to add while others wait, as long as the counter is not zero.
TEST_CASE("SY-17: work that is counted may add more while others wait") {
  run_on_each([] {
    ringo::wait_group group;
    std::atomic<int> leaves{0};
    const std::function<void(int)> split = [&](int depth) {
      if (depth == 0) {
        ++leaves;
      } else {
        group.add(2);
        for (int i = 0; i < 2; ++i) ringo::go(split, depth - 1);
      }
      group.done();
    };
    group.add();
    ringo::go(split, tree_depth);
    fiber_group waiters;
    for (int i = 0; i < 4; ++i) {
      waiters.go([&] {
        group.wait();
        EXPECT_EQ(leaves.load(), 1 << tree_depth);
      });
    }
    group.wait();
    EXPECT_EQ(leaves.load(), 1 << tree_depth);
    waiters.join();
  });
}

TEST_CASE("SY-15: it may be used again while waiters of the round before are still on their way") {
  run_on_each([] {
    ringo::wait_group group;
    fiber_group waiters;
    for (int round = 0; round < race_rounds / 10; ++round) {
      group.add();
      waiters.go([&] { group.wait(); });
      ringo::yield();
      group.done();
    }
    waiters.join();
  });
}

// After Go's TestWaitGroupRace. The writes are plain: ThreadSanitizer sees whether done and wait
// order them.
TEST_CASE("SY-18: wait is never early and sees what was done before done") {
  run_on_each([] {
    for (int round = 0; round < race_rounds; ++round) {
      ringo::wait_group group;
      int a = 0;
      int b = 0;
      group.add();
      ringo::go([&] {
        a = 1;
        group.done();
      });
      group.add();
      ringo::go([&] {
        b = 1;
        group.done();
      });
      group.wait();
      EXPECT_EQ(a + b, 2);
    }
  });
}

TEST_CASE("SY-18: plain threads and fibers end each other's waits") {
  run_on_each([] {
    for (int round = 0; round < race_rounds / 100; ++round) {
      ringo::wait_group group;
      int values[4] = {};
      group.add(4);
      thread_group threads;
      for (int i = 0; i < 2; ++i) {
        ringo::go([&, i] {
          values[i] = 1;
          group.done();
        });
        threads.start([&, i] {
          values[2 + i] = 1;
          group.done();
        });
      }
      thread_group waiters;
      waiters.start([&] {
        group.wait();
        EXPECT_EQ(values[0] + values[1] + values[2] + values[3], 4);
      });
      group.wait();
      EXPECT_EQ(values[0] + values[1] + values[2] + values[3], 4);
      waiters.join();
      threads.join();
    }
  });
}

TEST_CASE("SY-19: go counts before it returns and is done when the function is") {
  run_on_each([] {
    ringo::wait_group group;
    int sum = 0;  // one after the other: each go() sees what the one before did
    std::atomic<int> finished{0};
    for (int i = 0; i < 100; ++i) {
      group.go([&] {
        ringo::yield();
        ++finished;
      });
    }
    group.wait();
    EXPECT_EQ(finished.load(), 100);
    for (int i = 0; i < 100; ++i) {
      group.go([&] { ++sum; });
      group.wait();
      EXPECT_EQ(sum, i + 1);
    }
  });
}

TEST_CASE("SY-19: go may be called from what it runs, and from plain threads") {
  run_on_each([] {
    ringo::wait_group group;
    std::atomic<int> leaves{0};
    const std::function<void(int)> split = [&](int depth) {
      if (depth == 0) ++leaves;
      for (int i = 0; depth > 0 && i < 2; ++i) group.go([&, depth] { split(depth - 1); });
    };
    group.go([&] { split(tree_depth); });
    group.wait();
    EXPECT_EQ(leaves.load(), 1 << tree_depth);

    thread_group threads;
    for (int i = 0; i < 3; ++i) {
      threads.start([&] {
        group.go([&] { ++leaves; });
        group.wait();
      });
    }
    threads.join();
    group.wait();
    EXPECT_EQ(leaves.load(), (1 << tree_depth) + 3);
  });
}

TEST_CASE("SY-19: go takes functions that can only be moved, pointers and lvalues") {
  run_on_each([] {
    ringo::wait_group group;
    static std::atomic<int> sum;
    sum = 0;
    group.go([owned = std::make_unique<int>(1)] { sum += *owned; });
    group.go(+[] { sum += 10; });
    const std::function<void()> reusable = [] { sum += 100; };
    group.go(reusable);
    group.go(reusable);
    group.wait();
    EXPECT_EQ(sum.load(), 211);
  });
}

TEST_CASE("SY-19: goexit counts as done, after the destructors") {
  run_on_each([] {
    ringo::wait_group group;
    bool destroyed = false;
    bool reached = false;
    struct witness {
      bool& flag;
      ~witness() { flag = true; }
    };
    group.go([&] {
      const witness last{destroyed};
      ringo::yield();
      ringo::goexit();
      reached = true;
    });
    group.wait();
    EXPECT(destroyed);
    EXPECT(!reached);
  });
}

namespace {

/// Tells when the function that captures it is destroyed; slow, so that a wait that is early is
/// seen.
class capture {
 public:
  explicit capture(bool& gone) : gone_(&gone) {}
  capture(capture&& other) noexcept : gone_(std::exchange(other.gone_, nullptr)) {}
  capture(const capture&) = delete;
  capture& operator=(const capture&) = delete;
  ~capture() {
    if (gone_ == nullptr) return;
    for (int i = 0; i < 5; ++i) ringo::yield();
    *gone_ = true;
  }

 private:
  bool* gone_;
};

}  // namespace

// As with a task: what a function captured may refer to what its caller frees after the wait.
TEST_CASE("wait_group: go destroys the function before wait returns") {
  run_freely_on_each([] {
    bool gone = false;
    {
      ringo::wait_group group;
      group.go([witness = capture(gone)] {});
      group.wait();
      EXPECT(gone);
    }
    bool gone_by_goexit = false;
    {
      ringo::wait_group group;
      group.go([witness = capture(gone_by_goexit)] { ringo::goexit(); });
      group.wait();
      EXPECT(gone_by_goexit);
    }
    let_others_run();
    eventually([] { return ringo::num_fibers() == 1; }, "the captures to be destroyed");
  });
}

TEST_CASE("SY-19: go of a null function panics and counts nothing") {
  run_on_each([] {
    ringo::wait_group group;
    void (*const nothing)() = nullptr;
    EXPECT_EQ(panic_text([&] { group.go(nothing); }), std::string("go of nil func value"));
    EXPECT_EQ(panic_text([&] { group.go(std::function<void()>()); }),
              std::string("go of nil func value"));
    group.wait();
  });
}

TEST_CASE("SY-19: go without a runtime panics and counts nothing") {
  ringo::wait_group group;
  CHECK_FALSE(panic_text([&] { group.go([] {}); }).empty());
  group.wait();
}

TEST_CASE("wait_group: fibers left over at the end of run are in no queue afterwards") {
  for_each_worker_count([](std::size_t workers) {
    ringo::wait_group group;
    group.add(2);
    run_on(
        workers,
        [&] {
          for (int i = 0; i < 5; ++i) go_until_parked(parked_in_wait, [&] { group.wait(); });
          group.done();
        },
        leftovers::allowed);
    group.done();
    group.wait();
    run_on(workers, [&] {
      group.add();
      const auto waiting = go_until_parked(parked_in_wait, [&] { group.wait(); });
      group.done();
      waiting.wait();
    });
  });
}

// Woken, but the run ends before they run.
TEST_CASE("wait_group: waiters that were woken but never ran do not spoil it for the next run") {
  for_each_worker_count([](std::size_t workers) {
    ringo::wait_group group;
    run_on(
        workers,
        [&] {
          group.add();
          for (int i = 0; i < 5; ++i) go_until_parked(parked_in_wait, [&] { group.wait(); });
          group.done();
        },
        leftovers::allowed);
    group.wait();
    run_on(workers, [&] {
      group.go([] { ringo::yield(); });
      group.wait();
    });
  });
}
