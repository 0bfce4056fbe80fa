// The turn of a descriptor. That one who waits for it may give up: tests/sync/lock_cancel_test.cpp.

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <random>
#include <vector>

#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>

#include "io/turn.hpp"
#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/sizes.hpp"
#include "support/threads.hpp"

using namespace ringo::test;
using ringo::detail::io_error;
using ringo::detail::turn;

namespace {

// clang-format off
//                                          plain  asan  tsan
constexpr auto storms = sizes::pick<int>(   300,   100,  50);
// clang-format on

/// Gives the turn back for a fiber that never goes on.
struct turn_holder final : ringo::detail::io_holder {
  turn& held;
  std::atomic<int>& ends;
  turn_holder(turn& of, std::atomic<int>& last_ones) noexcept : held(of), ends(last_ones) {}
  void give_back() noexcept override { ends += held.give_back() ? 1 : 0; }
};

}  // namespace

TEST_CASE("turn: goes from hand to hand, in order, and not to newcomers") {
  run_on_each([] {
    turn one;
    std::atomic<int> ends{0};
    std::vector<int> order;
    EXPECT(one.try_take());
    EXPECT(!one.try_take());
    std::vector<watched_fiber> fibers;
    for (int i = 0; i < 5; ++i) {
      fibers.push_back(go_until_parked("io turn", [&, i] {
        turn_holder self(one, ends);
        EXPECT(!one.take(nullptr, self));
        order.push_back(i);
        EXPECT(!one.try_take());
        EXPECT(!one.give_back());
      }));
    }
    EXPECT(!one.give_back());
    for (auto& each : fibers) each.wait();
    EXPECT(order == std::vector<int>{0, 1, 2, 3, 4});
    EXPECT(one.try_take());
    EXPECT(!one.give_back());
    EXPECT(ends == 0);
  });
}

TEST_CASE("turn: one that nobody has ends as it is closed") {
  run_on_each([] {
    turn one;
    std::atomic<int> ends{0};
    EXPECT(one.close());
    EXPECT(!one.try_take());
    turn_holder self(one, ends);
    EXPECT(one.take(nullptr, self) == ringo::errc::closed);
  });
}

TEST_CASE("turn: close refuses all who wait or come, and the last one's end is told") {
  run_on_each([] {
    turn one;
    std::atomic<int> ends{0};
    EXPECT(one.try_take());
    std::vector<watched_fiber> fibers;
    for (int i = 0; i < 3; ++i) {
      fibers.push_back(go_until_parked("io turn", [&, i] {
        turn_holder self(one, ends);
        const auto [ctx, cancel] = ringo::with_cancel(ringo::background());
        auto* const stop = i == 1 ? ringo::detail::cancellation_of(ctx) : nullptr;
        EXPECT(one.take(stop, self) == ringo::errc::closed);
      }));
    }
    EXPECT(!one.close());
    for (auto& each : fibers) each.wait();
    turn_holder self(one, ends);
    EXPECT(one.take(nullptr, self) == ringo::errc::closed);
    EXPECT(!one.try_take());
    EXPECT(one.give_back());
  });
}

// With several workers the fiber may have run on another one before the run is over.
TEST_CASE("turn: who was given it, but never goes on, gives it back") {
  for_each_worker_count([](std::size_t workers) {
    for (int i = 0; i < storms; ++i) {
      turn one;
      std::atomic<int> ends{0};
      const bool closes = i % 2 == 0;
      run_on(
          workers,
          [&] {
            EXPECT(one.try_take());
            static_cast<void>(go_until_parked("io turn", [&] {
              turn_holder self(one, ends);
              if (one.take(nullptr, self)) return;
              self.give_back();
            }));
            EXPECT(!one.give_back());  // it has it now
            if (closes) ends += one.close() ? 1 : 0;
          },
          leftovers::allowed);
      REQUIRE(ends == (closes ? 1 : 0));
      REQUIRE(one.try_take() == !closes);
    }
  });
}

TEST_CASE("turn: of all who take it, give up and close it, one has it, and one ends it") {
  run_on_each([] {
    for (int round = 0; round < storms; ++round) {
      turn one;
      std::atomic<int> ends{0};
      std::atomic<int> inside{0};
      std::atomic<int> refused{0};
      constexpr int crowd = 6;
      const auto [ctx, cancel] = ringo::with_cancel(ringo::background());
      fiber_group fibers;
      for (int i = 0; i < crowd; ++i) {
        fibers.go([&, i, &ctx = ctx] {
          auto random = generator(static_cast<std::uint64_t>(round * crowd + i));
          auto* const stop = i % 2 == 0 ? ringo::detail::cancellation_of(ctx) : nullptr;
          for (;;) {
            turn_holder self(one, ends);
            const io_error error = one.take(stop, self);
            if (error == ringo::errc::closed) break;
            if (error) {
              EXPECT(error == ringo::errc::canceled);
              ++refused;
              return;
            }
            EXPECT(++inside == 1);
            if (random() % 4 == 0) ringo::yield();
            --inside;
            self.give_back();
            if (random() % 4 == 0) ringo::yield();
          }
          ++refused;
        });
      }
      auto random = generator(static_cast<std::uint64_t>(round));
      for (auto i = random() % 8; i > 0; --i) ringo::yield();
      if (random() % 2 == 0) cancel();
      for (auto i = random() % 8; i > 0; --i) ringo::yield();
      ends += one.close() ? 1 : 0;
      fibers.join();
      EXPECT(refused == crowd);
      EXPECT(ends == 1);
      cancel();
    }
  });
}
