// singleflight.

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/group/singleflight.hpp>
#include <ringo/result.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"

using namespace ringo::test;
using ringo::background;
using ringo::result;
using ringo::with_cancel;
using flights_of = ringo::singleflight<std::string, int>;

static_assert(!std::is_copy_constructible_v<flights_of>);

namespace {

// clang-format off
//                                             plain  asan   tsan
constexpr auto race_rounds = sizes::pick<int>(300,   100,   50);
// clang-format on

constexpr const char* parked_behind = "sync.WaitGroup.Wait";
constexpr int callers = 10;

const std::error_code canceled = ringo::errc::canceled;

/// A run of the key "k" that has begun and waits for `gate`.
struct run_under_way {
  flights_of flights;
  ringo::chan<int> gate = ringo::make_chan<int>();
  watched_fiber runner;

  run_under_way()
      : runner(go_until_parked(parked_in_recv, [this] {
          const auto mine = flights.call("k", [this]() -> result<int> { return *gate.recv(); });
          EXPECT_EQ(*mine.value, 1);
        })) {}
};

}  // namespace

TEST_CASE("SY-42: a call runs its function and returns what that returned") {
  const auto check = [] {
    flights_of flights;
    const auto good = flights.call("k", [] { return result<int>(7); });
    EXPECT(good.value);
    EXPECT_EQ(*good.value, 7);
    EXPECT(!good.shared);
    const auto bad = flights.call("k", [] { return result<int>(ringo::errc::eof); });
    EXPECT(bad.value.error() == ringo::errc::eof);
    EXPECT(!bad.shared);
  };
  check();
  run_on_each(check);
}

TEST_CASE("SY-42: concurrent calls with one key share one run") {
  run_on_each([] {
    for (const bool fails : {false, true}) {
      flights_of flights;
      auto gate = ringo::make_chan<void>();
      std::atomic<int> runs{0};
      std::atomic<int> shared{0};
      const auto call = [&] {
        const auto got = flights.call("k", [&]() -> result<int> {
          ++runs;
          gate.recv();
          if (fails) return ringo::errc::eof;
          return 5;
        });
        EXPECT(fails ? got.value.error() == ringo::errc::eof : got.value && *got.value == 5);
        if (got.shared) ++shared;
      };
      std::vector<watched_fiber> fibers;
      fibers.push_back(go_until_parked(parked_in_recv, call));
      for (int i = 1; i < callers; ++i) fibers.push_back(go_until_parked(parked_behind, call));
      gate.close();
      for (const auto& fiber : fibers) fiber.wait();
      EXPECT_EQ(runs.load(), 1);
      EXPECT_EQ(shared.load(), callers);
    }
  });
}

TEST_CASE("SY-42: callers that race get what some run gave, and no run is for nobody") {
  run_on_each([] {
    flights_of flights;
    for (int round = 0; round < race_rounds; ++round) {
      std::atomic<int> runs{0};
      std::atomic<int> alone{0};
      fiber_group fibers;
      for (int i = 0; i < callers; ++i) {
        fibers.go([&] {
          const auto got = flights.call("k", [&] {
            ++runs;
            ringo::yield();
            return result<int>(round);
          });
          EXPECT_EQ(*got.value, round);
          if (!got.shared) ++alone;
        });
      }
      fibers.join();
      EXPECT(runs >= 1);
      EXPECT(runs <= callers);
      EXPECT(alone <= runs);
    }
  });
}

TEST_CASE("SY-42: different keys do not wait for each other") {
  run_on_each([] {
    run_under_way one;
    const auto other = one.flights.call("other", [] { return result<int>(2); });
    EXPECT_EQ(*other.value, 2);
    one.gate.send(1);
    one.runner.wait();
  });
}

TEST_CASE("SY-42: the key is forgotten when the function returns") {
  run_on_each([] {
    flights_of flights;
    int runs = 0;
    for (int i = 0; i < 3; ++i) (void)flights.call("k", [&] { return result<int>(++runs); });
    EXPECT_EQ(runs, 3);
  });
}

TEST_CASE("SY-42: a value that only one caller gets is moved, not copied") {
  struct counted {
    int* copies;
    explicit counted(int* to) : copies(to) {}
    counted(const counted& other) : copies(other.copies) { ++*copies; }
    counted(counted&& other) noexcept : copies(other.copies) {}
    counted& operator=(const counted&) = delete;
    ~counted() = default;
  };
  run_on_each([] {
    ringo::singleflight<int, counted> flights;
    int copies = 0;
    const auto got = flights.call(1, [&] { return result<counted>(counted(&copies)); });
    EXPECT(!got.shared);
    EXPECT_EQ(copies, 0);
  });
}

// After Go's TestForget: the third call joins the second run, not the first.
TEST_CASE("SY-43: after forget the next call starts a run of its own") {
  run_on_each([] {
    run_under_way first;
    first.flights.forget("k");
    auto second_gate = ringo::make_chan<int>();
    const auto second = go_until_parked(parked_in_recv, [&] {
      const auto got =
          first.flights.call("k", [&]() -> result<int> { return *second_gate.recv(); });
      EXPECT_EQ(*got.value, 2);
      EXPECT(got.shared);
    });
    first.gate.send(1);
    first.runner.wait();  // its end does not disturb the second run
    const auto third = go_until_parked(parked_behind, [&] {
      const auto got = first.flights.call("k", [] { return result<int>(3); });
      EXPECT_EQ(*got.value, 2);
      EXPECT(got.shared);
    });
    second_gate.send(2);
    second.wait();
    third.wait();
    first.flights.forget("nobody knows it");
  });
}

// Go's DoChan: a fiber, and a channel or its task.
TEST_CASE("SY-43: a fiber that calls is a call that need not be waited for") {
  run_on_each([] {
    flights_of flights;
    auto results = ringo::make_chan<flights_of::outcome>(1);
    ringo::go(
        [&flights, results] { results.send(flights.call("k", [] { return result<int>(4); })); });
    const auto got = results.recv();
    EXPECT_EQ(*got->value, 4);
    auto task = ringo::spawn([&] { return flights.call("k", [] { return result<int>(5); }); });
    EXPECT_EQ(*task.join(background())->value, 5);
  });
}

TEST_CASE("SY-44: an exception out of the function reaches every caller") {
  run_on_each([] {
    flights_of flights;
    auto gate = ringo::make_chan<void>();
    std::atomic<int> caught{0};
    const auto call = [&] {
      try {
        (void)flights.call("k", [&]() -> result<int> {
          gate.recv();
          throw std::runtime_error("x");
        });
        EXPECT(false);
      } catch (const std::runtime_error& error) {
        EXPECT_EQ(std::string(error.what()), std::string("x"));
        ++caught;
      }
    };
    std::vector<watched_fiber> fibers;
    fibers.push_back(go_until_parked(parked_in_recv, call));
    for (int i = 0; i < 5; ++i) fibers.push_back(go_until_parked(parked_behind, call));
    gate.close();
    for (const auto& fiber : fibers) fiber.wait();
    EXPECT_EQ(caught.load(), 6);
    EXPECT_EQ(*flights.call("k", [] { return result<int>(1); }).value, 1);
  });
}

TEST_CASE("SY-44: goexit in the function is a goexit of every caller") {
  run_on_each([] {
    flights_of flights;
    auto gate = ringo::make_chan<void>();
    std::atomic<int> unwound{0};
    std::atomic<int> returned{0};
    const auto call = [&] {
      struct on_exit {
        std::atomic<int>& count;
        ~on_exit() { ++count; }
      } const note{unwound};
      (void)flights.call("k", [&]() -> result<int> {
        gate.recv();
        ringo::goexit();
      });
      ++returned;
    };
    std::vector<ringo::task<void>> fibers;
    for (int i = 0; i < 6; ++i) fibers.push_back(ringo::spawn(call));
    wait_until_parked(6);
    thread_group threads;
    threads.start([&] {
      EXPECT_EQ(panic_text([&] { (void)flights.call("k", [] { return result<int>(1); }); }),
                std::string("goexit on a thread that is no fiber"));
    });
    threads.wait_until_asleep();
    gate.close();
    eventually([&] { return unwound == 6; });
    threads.join();
    EXPECT_EQ(returned.load(), 0);
    for (auto& fiber : fibers) fiber.detach();
    EXPECT_EQ(*flights.call("k", [] { return result<int>(1); }).value, 1);
  });
}

TEST_CASE("singleflight: who waits with a context gives up, and the run goes on") {
  run_on_each([] {
    run_under_way one;
    auto [ctx, cancel] = with_cancel(background());
    const auto waits = go_until_parked(parked_behind, [&, ctx = ctx] {
      const auto got = one.flights.call(ctx, "k", [] { return result<int>(9); });
      EXPECT(got.value.error() == canceled);
      EXPECT(!got.shared);
    });
    const auto stays = go_until_parked(parked_behind, [&] {
      EXPECT_EQ(*one.flights.call(background(), "k", [] { return result<int>(9); }).value, 1);
    });
    cancel();
    waits.wait();
    EXPECT(!stays.finished());
    one.gate.send(1);
    stays.wait();
    one.runner.wait();
    bool ran = false;
    const auto got = one.flights.call(ctx, "k", [&] {
      ran = true;
      return result<int>(9);
    });
    EXPECT(got.value.error() == canceled);
    EXPECT(!ran);
    EXPECT_EQ(
        *one.flights.call(with_cancel(background()).ctx, "k", [] { return result<int>(3); }).value,
        3);
  });
}

TEST_CASE("singleflight: plain threads and fibers share a run") {
  run_on_each([] {
    run_under_way one;
    thread_group threads;
    for (int i = 0; i < 3; ++i) {
      threads.start([&] {
        const auto got = one.flights.call("k", [] { return result<int>(9); });
        EXPECT_EQ(*got.value, 1);
        EXPECT(got.shared);
      });
    }
    threads.wait_until_asleep();
    one.gate.send(1);
    threads.join();
    one.runner.wait();
  });
}

// The values are not atomic: ThreadSanitizer sees whether the run is ordered before all callers.
TEST_CASE("singleflight: what the function did is seen by all callers") {
  run_on_each([] {
    for (int round = 0; round < race_rounds; ++round) {
      ringo::singleflight<int, std::shared_ptr<int>> flights;
      fiber_group fibers;
      for (int i = 0; i < 4; ++i) {
        fibers.go([&] {
          const auto got = flights.call(
              1, [&] { return result<std::shared_ptr<int>>(std::make_shared<int>(round)); });
          EXPECT_EQ(**got.value, round);
        });
      }
      fibers.join();
    }
  });
}
