// The semaphore. The end of its life is in tests/stress/sync_destruction_test.cpp.

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include <ringo/go.hpp>
#include <ringo/sync/semaphore.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/threads.hpp"

using namespace ringo::test;

static_assert(!std::is_copy_constructible_v<ringo::semaphore>);
static_assert(!std::is_copy_assignable_v<ringo::semaphore>);
static_assert(!std::is_move_constructible_v<ringo::semaphore>);
static_assert(!std::is_convertible_v<int, ringo::semaphore>);

namespace {

// clang-format off
//                                               plain  asan   tsan
constexpr auto hammer_loops   = sizes::pick<int>(1'000, 500,   200);
constexpr auto victim_rounds  = sizes::pick<int>(200,   100,   50);
constexpr auto visible_rounds = sizes::pick<int>(1'000, 300,   100);
constexpr auto crowd          = sizes::pick<int>(3'000, 1'000, 300);
// clang-format on

constexpr const char* parked_in_acquire = "semaphore.Acquire";
constexpr const char* parked_for_too_many = "semaphore.Acquire (more than there are)";

/// Whether exactly so many tokens are free. Nobody else may use it.
bool has_free(ringo::semaphore& tokens, std::ptrdiff_t n) {
  if (!tokens.try_acquire(n)) return false;
  const bool more = tokens.try_acquire();
  tokens.release(n + (more ? 1 : 0));
  return !more;
}

/// Go's HammerWeighted.
void hammer(ringo::semaphore& tokens, std::atomic<int>& taken, int n, int size) {
  for (int i = 0; i < hammer_loops; ++i) {
    if (i % 3 != 0) {
      tokens.acquire(n);
    } else if (!tokens.try_acquire(n)) {
      continue;
    }
    EXPECT((taken += n) <= size);
    if (i % 8 == 0) ringo::yield();
    taken -= n;
    tokens.release(n);
  }
}

}  // namespace

TEST_CASE("semaphore: never gives out more than it has") {
  run_on_each([] {
    constexpr int size = 5;
    ringo::semaphore tokens(size);
    std::atomic<int> taken{0};
    fiber_group fibers;
    for (int i = 0; i < 10; ++i) {
      fibers.go([&, n = i % size + 1] { hammer(tokens, taken, n, size); });
    }
    fibers.join();
    EXPECT(has_free(tokens, size));
  });
}

TEST_CASE("semaphore: never gives out more than it has to plain threads and fibers") {
  run_on_each([] {
    constexpr int size = 4;
    ringo::semaphore tokens(size);
    std::atomic<int> taken{0};
    fiber_group fibers;
    thread_group threads;
    for (int i = 0; i < 4; ++i) {
      fibers.go([&, n = i % size + 1] { hammer(tokens, taken, n, size); });
      threads.start([&, n = i % size + 1] { hammer(tokens, taken, n, size); });
    }
    fibers.join();
    threads.join();
    EXPECT(has_free(tokens, size));
  });
}

TEST_CASE("semaphore: works before, between and after runs") {
  ringo::semaphore tokens(3);
  for (int run = 0; run < 2; ++run) {
    tokens.acquire(2);
    run_on_each([&] {
      EXPECT(has_free(tokens, 1));
      tokens.acquire();
      tokens.release();
    });
    tokens.release(2);
    CHECK(has_free(tokens, 3));
  }
}

// After Go's TestWeightedTryAcquire.
TEST_CASE("SY-38: try_acquire takes what is free, all or nothing") {
  run_on_each([] {
    ringo::semaphore tokens(2);
    tokens.acquire(1);
    EXPECT(tokens.try_acquire(1));
    EXPECT(!tokens.try_acquire(1));
    tokens.release(2);
    EXPECT(tokens.try_acquire(1));
    tokens.acquire(1);
    EXPECT(!tokens.try_acquire());
    tokens.release();
    EXPECT(!tokens.try_acquire(2));
    EXPECT(!tokens.try_acquire(3));
    tokens.release();
    EXPECT(has_free(tokens, 2));
  });
}

TEST_CASE("SY-38: tokens go to those who wait in the order in which they came") {
  run_on_each([] {
    ringo::semaphore tokens(3);
    tokens.acquire(3);
    std::vector<int> order;
    std::vector<watched_fiber> fibers;
    for (int i = 0; i < 20; ++i) {
      fibers.push_back(go_until_parked(parked_in_acquire, [&, i] {
        tokens.acquire(3);
        order.push_back(i);
        tokens.release(3);
      }));
    }
    tokens.release(3);
    for (const auto& fiber : fibers) fiber.wait();
    EXPECT_EQ(order.size(), std::size_t{20});
    for (std::size_t i = 0; i < order.size(); ++i) EXPECT_EQ(order[i], static_cast<int>(i));
  });
}

TEST_CASE("SY-38: a large request at the front makes small ones behind it wait") {
  run_on_each([] {
    ringo::semaphore tokens(3);
    tokens.acquire(3);
    bool large_done = false;
    const auto large = go_until_parked(parked_in_acquire, [&] {
      tokens.acquire(2);
      large_done = true;
      tokens.release(2);
    });
    const auto small = go_until_parked(parked_in_acquire, [&] {
      tokens.acquire(1);
      EXPECT(large_done);
      tokens.release(1);
    });
    tokens.release(1);
    EXPECT(!tokens.try_acquire(1));
    let_others_run();
    EXPECT(large.parked_for(parked_in_acquire));
    EXPECT(small.parked_for(parked_in_acquire));
    tokens.release(1);
    large.wait();
    small.wait();
    tokens.release(1);
    EXPECT(has_free(tokens, 3));
  });
}

TEST_CASE("SY-38: one release fulfils several requests, and no more than it can") {
  run_on_each([] {
    ringo::semaphore tokens(6);
    tokens.acquire(6);
    std::vector<watched_fiber> fibers;
    for (const int n : {1, 2, 3, 4}) {
      fibers.push_back(go_until_parked(parked_in_acquire, [&, n] { tokens.acquire(n); }));
    }
    tokens.release(6);
    for (std::size_t i = 0; i < 3; ++i) fibers[i].wait();
    EXPECT(fibers[3].parked_for(parked_in_acquire));
    tokens.release(4);
    fibers[3].wait();
    tokens.release(6);
    EXPECT(has_free(tokens, 6));
  });
}

// After Go's TestLargeAcquireDoesntStarve: the small ones overlap, so that never all are free.
TEST_CASE("SY-38: a large request does not starve") {
  run_on_each([] {
    constexpr int size = 4;
    ringo::semaphore tokens(size);
    std::atomic<bool> over{false};
    fiber_group small;
    for (int i = 0; i < size; ++i) {
      small.go([&] {
        while (!over) {
          tokens.acquire();
          for (int yields = 0; yields < 4; ++yields) ringo::yield();
          tokens.release();
        }
      });
    }
    for (int i = 0; i < victim_rounds; ++i) {
      tokens.acquire(size);
      ringo::yield();
      tokens.release(size);
    }
    over = true;
    small.join();
    EXPECT(has_free(tokens, size));
  });
}

// Go's TestWeightedDoesntBlockIfTooBig, but for the cancellation.
TEST_CASE("SY-40: a request that is larger than the size keeps nobody else waiting") {
  for_each_worker_count([](std::size_t workers) {
    run_on(
        workers,
        [] {
          ringo::semaphore tokens(2);
          const auto vain = go_until_parked(parked_for_too_many, [&] { tokens.acquire(3); });
          EXPECT(!tokens.try_acquire(3));
          fiber_group fibers;
          for (int i = 0; i < 6; ++i) {
            fibers.go([&] {
              tokens.acquire();
              ringo::yield();
              tokens.release();
            });
          }
          fibers.join();
          EXPECT(vain.parked_for(parked_for_too_many));
          EXPECT(has_free(tokens, 2));
        },
        leftovers::allowed);
  });
}

TEST_CASE("SY-41: releasing more than held panics and changes nothing") {
  const auto check = [] {
    ringo::semaphore tokens(2);
    const char* const text = "semaphore: released more than held";
    EXPECT_EQ(panic_text([&] { tokens.release(); }), std::string(text));
    tokens.acquire();
    EXPECT_EQ(panic_text([&] { tokens.release(2); }), std::string(text));
    EXPECT(has_free(tokens, 1));
    tokens.release();
    EXPECT(has_free(tokens, 2));
  };
  check();
  run_on_each(check);
}

TEST_CASE("semaphore: a count out of range panics and changes nothing") {
  run_on_each([] {
    const std::string text = "semaphore: count out of range";
    EXPECT_EQ(panic_text([] { ringo::semaphore tokens(-1); }), text);
    EXPECT_EQ(panic_text([] { ringo::semaphore tokens(PTRDIFF_MAX); }), text);
    ringo::semaphore tokens(1);
    EXPECT_EQ(panic_text([&] { tokens.acquire(-1); }), text);
    EXPECT_EQ(panic_text([&] { (void)tokens.try_acquire(-1); }), text);
    EXPECT_EQ(panic_text([&] { tokens.release(-1); }), text);
    EXPECT_EQ(panic_text([&] { tokens.acquire(PTRDIFF_MAX); }), text);
    EXPECT(has_free(tokens, 1));
    tokens.acquire(0);
    tokens.release(0);
    ringo::semaphore none(0);
    EXPECT(none.try_acquire(0));
    EXPECT(!none.try_acquire());
  });
}

// The value is not atomic: ThreadSanitizer sees whether release and acquire order its uses.
TEST_CASE("semaphore: what was done before a release is seen after the acquire it lets in") {
  run_on_each([] {
    ringo::semaphore tokens(1);
    std::optional<std::vector<int>> value;
    int turn = 0;
    const auto play = [&] {
      for (int i = 0; i < visible_rounds; ++i) {
        tokens.acquire();
        if (value) EXPECT_EQ(value->at(0), turn);
        value.emplace({++turn});
        tokens.release();
        if (i % 8 == 0) ringo::yield();
      }
    };
    fiber_group fibers;
    thread_group threads;
    for (int i = 0; i < 3; ++i) fibers.go(play);
    threads.start(play);
    fibers.join();
    threads.join();
    EXPECT_EQ(turn, 4 * visible_rounds);
  });
}

TEST_CASE("semaphore: a crowd of fibers with random requests all get theirs") {
  run_on_each([] {
    constexpr int size = 16;
    ringo::semaphore tokens(size);
    tokens.acquire(size);
    std::minstd_rand random(static_cast<unsigned>(seed()));
    fiber_group fibers;
    for (int i = 0; i < crowd; ++i) {
      fibers.go([&, n = static_cast<std::ptrdiff_t>(random() % size + 1)] {
        tokens.acquire(n);
        if (n % 2 == 0) ringo::yield();
        tokens.release(n);
      });
    }
    wait_until_parked(static_cast<std::size_t>(crowd));
    tokens.release(size);
    fibers.join();
    EXPECT(has_free(tokens, size));
  });
}

TEST_CASE("semaphore: plain threads wait in the same line as fibers") {
  run_on_each([] {
    ringo::semaphore tokens(2);
    tokens.acquire(2);
    std::atomic<int> got{0};
    thread_group threads;
    threads.start([&] {
      tokens.acquire(2);
      ++got;
      tokens.release(2);
    });
    threads.wait_until_asleep();
    const auto fiber = go_until_parked(parked_in_acquire, [&] {
      tokens.acquire();
      EXPECT_EQ(got.load(), 1);
      tokens.release();
    });
    tokens.release();
    EXPECT_EQ(got.load(), 0);
    tokens.release();
    threads.join();
    fiber.wait();
    EXPECT(has_free(tokens, 2));
  });
}

TEST_CASE("semaphore: fibers left over at the end of run are in no queue afterwards") {
  for_each_worker_count([](std::size_t workers) {
    ringo::semaphore tokens(2);
    run_on(
        workers,
        [&] {
          tokens.acquire(2);
          for (int i = 0; i < 5; ++i) {
            go_until_parked(parked_in_acquire, [&] { tokens.acquire(i % 2 + 1); });
          }
        },
        leftovers::allowed);
    CHECK_FALSE(tokens.try_acquire());
    tokens.release(2);
    CHECK(has_free(tokens, 2));
  });
}

// The tokens are handed over, and the run ends before those who got them have run.
TEST_CASE("semaphore: who was granted tokens but never ran does not keep them") {
  for_each_worker_count([](std::size_t workers) {
    ringo::semaphore tokens(4);
    run_on(
        workers,
        [&] {
          tokens.acquire(4);
          for (int i = 0; i < 6; ++i) {
            go_until_parked(parked_in_acquire, [&] {
              tokens.acquire(2);
              tokens.release(2);
            });
          }
          tokens.release(4);
        },
        leftovers::allowed);
    CHECK(has_free(tokens, 4));
  });
}

// The first request that is left over was all that kept the others waiting. The second one is then
// granted its token when the run is over already, and gives it back to the thread.
TEST_CASE("semaphore: a left-over request does not keep a plain thread waiting") {
  for_each_worker_count([](std::size_t workers) {
    ringo::semaphore tokens(2);
    thread_group threads;
    tokens.acquire();
    run_on(
        workers,
        [&] {
          go_until_parked(parked_in_acquire, [&] { tokens.acquire(2); });
          go_until_parked(parked_in_acquire, [&] { tokens.acquire(); });
          threads.start([&] { tokens.acquire(); });
          threads.wait_until_asleep();
        },
        leftovers::allowed);
    threads.join();
    tokens.release(2);
    CHECK(has_free(tokens, 2));
  });
}

// Some wait and some have been granted their tokens when the semaphore goes.
TEST_CASE("semaphore: fibers that use it when it is destroyed can be discarded") {
  run_on(
      1,
      [] {
        auto tokens = std::make_unique<ringo::semaphore>(2);
        tokens->acquire(2);
        for (int i = 0; i < 4; ++i) {
          go_until_parked(parked_in_acquire, [p = tokens.get()] { p->acquire(); });
        }
        tokens->release(2);
      },
      leftovers::allowed);
}
