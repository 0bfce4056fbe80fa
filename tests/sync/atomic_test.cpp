// There are no atomics of ringo: std::atomic does. Here is what fibers must not break about it.

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <vector>

#include <ringo/go.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"

using namespace ringo::test;

namespace {

// clang-format off
//                                               plain   asan   tsan
constexpr auto rounds = sizes::pick<std::size_t>(20'000, 5'000, 1'000);
// clang-format on

}  // namespace

// Store buffering: each of two fibers stores its own and then reads the other's. The yield between
// may move it to another thread, and its read must not overtake its store all the same. So at least
// one of the two sees the other's.
TEST_CASE("SY-32: atomics are sequentially consistent, also over a move to another thread") {
  struct round {
    std::array<std::atomic<bool>, 2> stored{};
    std::array<bool, 2> saw_other{};
  };
  run_on_each([] {
    std::vector<round> all(rounds);
    std::array<std::atomic<std::size_t>, 2> begun{};
    const auto play = [&](std::size_t me) {
      for (std::size_t i = 0; i < rounds; ++i) {
        begun[me] = i + 1;
        eventually([&] { return begun[1 - me] > i; });
        all[i].stored[me] = true;
        if (i % 4 == me) ringo::yield();
        all[i].saw_other[me] = all[i].stored[1 - me];
      }
    };
    fiber_group fibers;
    fibers.go([&] { play(0); });
    fibers.go([&] { play(1); });
    fibers.join();
    for (const round& one : all) EXPECT((one.saw_other[0] || one.saw_other[1]));
  });
}
