// The semaphore's acquire with a context. What it shares with the locks is in lock_cancel_test.cpp.

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <random>
#include <string>
#include <system_error>
#include <vector>

#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/sync/semaphore.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/threads.hpp"

using namespace ringo::test;
using ringo::background;
using ringo::with_cancel;

namespace {

// clang-format off
//                                             plain   asan   tsan
constexpr auto race_rounds = sizes::pick<int>(10'000, 2'000, 500);
constexpr auto crowd_loops = sizes::pick<int>(1'000,  300,   100);
// clang-format on

const std::error_code canceled = ringo::errc::canceled;

constexpr const char* parked_in_acquire = "semaphore.Acquire";
constexpr const char* parked_for_too_many = "semaphore.Acquire (more than there are)";

/// Whether exactly so many tokens are free. Nobody else may use it.
bool has_free(ringo::semaphore& tokens, std::ptrdiff_t n) {
  if (!tokens.try_acquire(n)) return false;
  const bool more = tokens.try_acquire();
  tokens.release(n + (more ? 1 : 0));
  return !more;
}

}  // namespace

// After Go's TestWeightedAcquireCanceled.
TEST_CASE("SY-39: a context that is done fails even if tokens are free, and changes nothing") {
  const auto check = [] {
    ringo::semaphore tokens(2);
    auto [ctx, cancel] = with_cancel(background());
    EXPECT(!tokens.acquire(ctx, 1));
    cancel();
    EXPECT(tokens.acquire(ctx, 1) == canceled);
    EXPECT(tokens.acquire(ctx, 0) == canceled);
    EXPECT(tokens.acquire(ctx, 3) == canceled);
    EXPECT(has_free(tokens, 1));
    EXPECT_EQ(panic_text([&, ctx = ctx] { (void)tokens.acquire(ctx, -1); }),
              std::string("semaphore: count out of range"));
  };
  check();
  run_on_each(check);
}

TEST_CASE("SY-39: who gives up while it waits has taken nothing") {
  run_on_each([] {
    ringo::semaphore tokens(3);
    tokens.acquire(2);
    auto [ctx, cancel] = with_cancel(background());
    const auto waits = go_until_parked(
        parked_in_acquire, [&, ctx = ctx] { EXPECT(tokens.acquire(ctx, 2) == canceled); });
    cancel();
    waits.wait();
    EXPECT(has_free(tokens, 1));
    tokens.release(2);
    EXPECT(has_free(tokens, 3));
  });
}

// Both orders of the two, and each in the middle of the other: the canceller, or the releaser, has
// the queue's lock when the other one comes.
TEST_CASE("SY-39: if cancel and release race, it is an error with all tokens free, or success") {
  run_on_each([] {
    ringo::semaphore tokens(2);
    std::atomic<int> succeeded{0};
    for (int round = 0; round < race_rounds; ++round) {
      tokens.acquire(2);
      auto [ctx, cancel] = with_cancel(background());
      auto waits = ringo::spawn([&, ctx = ctx] { return tokens.acquire(ctx, 2); });
      ringo::yield();
      auto cancels = ringo::spawn([cancel = cancel] { cancel(); });
      if (round % 2 == 0) ringo::yield();
      tokens.release(2);
      const auto given_up = waits.join();
      if (given_up) {
        EXPECT(given_up == canceled);
      } else {
        ++succeeded;
        EXPECT(!tokens.try_acquire());
        tokens.release(2);
      }
      EXPECT(has_free(tokens, 2));
      cancels.join();
    }
  });
}

// After Go's TestAllocCancelDoesntStarve.
TEST_CASE("SY-40: a cancelled request at the front lets the next ones proceed") {
  run_on_each([] {
    ringo::semaphore tokens(10);
    tokens.acquire(1);
    auto [ctx, cancel] = with_cancel(background());
    const auto large = go_until_parked(
        parked_in_acquire, [&, ctx = ctx] { EXPECT(tokens.acquire(ctx, 10) == canceled); });
    std::vector<watched_fiber> small;
    for (const int n : {4, 5, 1}) {
      small.push_back(go_until_parked(parked_in_acquire, [&, n] { tokens.acquire(n); }));
    }
    cancel();
    large.wait();
    small[0].wait();
    small[1].wait();
    let_others_run();
    EXPECT(small[2].parked_for(parked_in_acquire));
    tokens.release(1);
    small[2].wait();
    tokens.release(10);
    EXPECT(has_free(tokens, 10));
  });
}

TEST_CASE("SY-40: a cancelled request in the middle leaves the order of the others") {
  run_on_each([] {
    ringo::semaphore tokens(2);
    tokens.acquire(2);
    auto [ctx, cancel] = with_cancel(background());
    const auto first = go_until_parked(parked_in_acquire, [&] { tokens.acquire(2); });
    const auto middle = go_until_parked(
        parked_in_acquire, [&, ctx = ctx] { EXPECT(tokens.acquire(ctx) == canceled); });
    const auto last = go_until_parked(parked_in_acquire, [&] { tokens.acquire(1); });
    cancel();
    middle.wait();
    tokens.release(1);
    let_others_run();
    EXPECT(first.parked_for(parked_in_acquire));
    EXPECT(last.parked_for(parked_in_acquire));
    tokens.release(1);
    first.wait();
    tokens.release(2);
    last.wait();
    tokens.release(1);
    EXPECT(has_free(tokens, 2));
  });
}

// After Go's TestWeightedDoesntBlockIfTooBig.
TEST_CASE("SY-40: a request that is larger than the size waits for its context, alone") {
  run_on_each([] {
    ringo::semaphore tokens(2);
    auto [ctx, cancel] = with_cancel(background());
    const auto vain = go_until_parked(
        parked_for_too_many, [&, ctx = ctx] { EXPECT(tokens.acquire(ctx, 3) == canceled); });
    thread_group threads;
    threads.start([&, ctx = ctx] { EXPECT(tokens.acquire(ctx, 3) == canceled); });
    fiber_group fibers;
    for (int i = 0; i < 6; ++i) {
      fibers.go([&] {
        EXPECT(!tokens.acquire(background()));
        ringo::yield();
        tokens.release();
      });
    }
    fibers.join();
    threads.wait_until_asleep();
    cancel();
    vain.wait();
    threads.join();
    EXPECT(has_free(tokens, 2));
  });
}

// After Go's TestLargeAcquireDoesntStarve, with requests that give up all around.
TEST_CASE("SY-38: a crowd of which some give up neither loses nor makes tokens") {
  run_on_each([] {
    constexpr int size = 6;
    ringo::semaphore tokens(size);
    std::atomic<int> taken{0};
    const auto play = [&](std::uint64_t stream) {
      auto random = generator(stream);
      for (int i = 0; i < crowd_loops; ++i) {
        const int n = static_cast<int>(random() % size) + 1;
        auto [ctx, cancel] = with_cancel(background());
        auto canceller = ringo::spawn([cancel = cancel, late = random() % 4] {
          for (std::size_t yields = 0; yields < late; ++yields) ringo::yield();
          cancel();
        });
        if (!tokens.acquire(ctx, n)) {
          EXPECT((taken += n) <= size);
          if (i % 4 == 0) ringo::yield();
          taken -= n;
          tokens.release(n);
        }
        canceller.join();
      }
    };
    fiber_group fibers;
    for (std::uint64_t i = 0; i < 6; ++i) fibers.go([&, i] { play(i); });
    for (int i = 0; i < crowd_loops / 10; ++i) {
      tokens.acquire(size);
      ringo::yield();
      tokens.release(size);
    }
    fibers.join();
    EXPECT(has_free(tokens, size));
  });
}
