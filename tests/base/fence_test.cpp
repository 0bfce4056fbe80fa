// Dekker's protocol, on which sleeping and robbing rest: two sides each store, fence and load. At
// least one must see the other's store. Without fences x86 breaks that within some thousand rounds.

#include "base/fence.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>

#include "support/sizes.hpp"

using namespace ringo::test;
using namespace ringo::detail;

namespace {

constexpr auto time_max = std::chrono::milliseconds(250);
constexpr auto litmus_rounds = sizes::pick<int>(200'000, 100'000, 50'000);

/// Both missed the other's store, in so many of the rounds. A round is short only while both sides
/// have a CPU, so on a busy machine there are fewer.
template <typename LeftFence, typename RightFence>
int both_missed(LeftFence left_fence, RightFence right_fence) {
  constexpr auto relaxed = std::memory_order_relaxed;  // relaxed: the fences are what is tested
  constexpr int over = -1;
  alignas(cache_line) std::atomic<int> x{0};
  alignas(cache_line) std::atomic<int> y{0};
  alignas(cache_line) std::atomic<int> started{0};
  alignas(cache_line) std::atomic<int> finished{0};
  int seen_by_right = 0;
  int missed = 0;
  std::thread right([&] {
    for (int round = 1;; ++round) {
      int told = started;
      for (int spins = 0; told != round && told != over; ++spins) {
        if (spins > 1'000) std::this_thread::yield();
        told = started;
      }
      if (told == over) return;
      y.store(round, relaxed);
      right_fence();
      seen_by_right = x.load(relaxed);
      finished = round;
    }
  });
  const auto end = std::chrono::steady_clock::now() + time_max;
  for (int round = 1; round <= litmus_rounds; ++round) {
    if (round % 64 == 0 && std::chrono::steady_clock::now() > end) break;
    started = round;
    x.store(round, relaxed);
    left_fence();
    const int seen_by_left = y.load(relaxed);
    for (int spins = 0; finished != round; ++spins) {
      if (spins > 1'000) std::this_thread::yield();
    }
    if (seen_by_left != round && seen_by_right != round) ++missed;
  }
  started = over;
  right.join();
  return missed;
}

}  // namespace

TEST_CASE("fence: with a full fence on both sides, not both miss the other's store") {
  CHECK(both_missed(full_fence, full_fence) == 0);
}

TEST_CASE("fence: a light fence on one side and a heavy one on the other are enough") {
  prepare_heavy_fence();
  CHECK(both_missed(light_fence, heavy_fence) == 0);
  CHECK(both_missed(heavy_fence, light_fence) == 0);
}

#if !RINGO_TSAN
TEST_CASE("fence: without membarrier the light fence is a full one") {
  prepare_heavy_fence();
  const bool before = membarrier_works;
  membarrier_works = false;
  CHECK(both_missed(light_fence, heavy_fence) == 0);
  membarrier_works = before;
}
#endif
