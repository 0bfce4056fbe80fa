#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <ostream>
#include <thread>
#include <vector>

#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/sync/wait_group.hpp>
#include <ringo/task.hpp>

#include "sched/cancellation.hpp"
#include "support/run_on.hpp"
#include "support/sizes.hpp"

using namespace std::chrono_literals;
using ringo::detail::cancellation;
using ringo::detail::never;
using ringo::detail::sleep_until_time;
using ringo::test::run_on;

TEST_CASE("cancellation: only the first cancel has an effect, and its code stays") {
  cancellation stop;
  CHECK(!stop.done());
  CHECK(!stop.code());
  CHECK(stop.cancel(ringo::errc::canceled));
  CHECK(!stop.cancel(ringo::errc::deadline_exceeded));
  CHECK(stop.done());
  CHECK(stop.code() == ringo::errc::canceled);
}

TEST_CASE("cancellation: a sleeper wakes with the code") {
  for (const std::size_t workers : ringo::test::worker_counts) {
    std::vector<std::error_code> codes(20);
    run_on(workers, [&] {
      cancellation stop;
      ringo::wait_group sleepers;
      for (auto& code : codes) sleepers.go([&] { code = sleep_until_time(stop, never); });
      ringo::yield();
      stop.cancel(ringo::errc::canceled);
      sleepers.wait();
    });
    for (const auto& code : codes) CHECK(code == ringo::errc::canceled);
  }
}

TEST_CASE(
    "cancellation: one that is done on entry wins, and the time ends a sleep without a code") {
  for (const std::size_t workers : ringo::test::worker_counts) {
    std::error_code at_once;
    std::error_code in_time;
    run_on(workers, [&] {
      cancellation over;
      over.cancel(ringo::errc::closed);
      at_once = sleep_until_time(over, never);
      cancellation open;
      in_time = sleep_until_time(open, std::chrono::steady_clock::now() + 1ms);
    });
    CHECK(at_once == ringo::errc::closed);
    CHECK(!in_time);
  }
}

// The timer and the cancellation come at the same time: exactly one of them ends the sleep, and
// neither touches the sleeper's frame afterwards (which ASan and the next round's reuse of the
// stack would show).
TEST_CASE("cancellation: racing with the timer, each sleep ends once") {
  constexpr int rounds = static_cast<int>(ringo::test::sizes::pick<std::size_t>(2'000, 500, 300));
  for (const std::size_t workers : ringo::test::worker_counts) {
    std::atomic<int> ended{0};
    run_on(workers, [&] {
      for (int i = 0; i < rounds; ++i) {
        cancellation stop;
        auto sleeper = ringo::spawn([&] {
          const auto soon = std::chrono::steady_clock::now() + std::chrono::microseconds(i % 20);
          static_cast<void>(sleep_until_time(stop, soon));
          ++ended;
        });
        if (i % 2 == 0) ringo::yield();
        stop.cancel(ringo::errc::canceled);
        sleeper.join();
      }
    });
    CHECK(ended == rounds);
  }
}

TEST_CASE("cancellation: works from plain threads on either side") {
  std::error_code of_thread;
  std::error_code of_fiber;
  run_on(2, [&] {
    cancellation stop;
    std::thread thread([&] { of_thread = sleep_until_time(stop, never); });
    auto fiber = ringo::spawn([&] { of_fiber = sleep_until_time(stop, never); });
    ringo::yield();
    std::thread canceller([&] { stop.cancel(ringo::errc::canceled); });
    fiber.join();
    canceller.join();
    thread.join();
  });
  CHECK(of_thread == ringo::errc::canceled);
  CHECK(of_fiber == ringo::errc::canceled);
}
