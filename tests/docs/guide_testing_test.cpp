// The code of docs/guide/testing.md; see guide_test.cpp.

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <ringo/ringo.hpp>
#include <ringo/testing.hpp>

using namespace std::chrono_literals;

namespace {

/// Tries a few times, each time after twice as long.
std::error_code retry(const ringo::context& ctx, const ringo::chan<std::error_code>& attempts) {
  for (auto pause = 1s;; pause *= 2) {
    const std::optional<std::error_code> failed = attempts.recv();
    if (!failed.value_or(std::error_code())) return {};
    if (const auto given_up = ringo::sleep_for(ctx, pause)) return given_up;
  }
}

void check(bool holds) {
  if (!holds) throw std::logic_error("a check failed");
}

}  // namespace

TEST_CASE("guide: virtual time") {
  //! [bubble]
  ringo::testing::bubble([] {
    const auto [ctx, cancel] = ringo::with_timeout(ringo::background(), 1min);
    auto attempts = ringo::make_chan<std::error_code>();
    const auto start = ringo::now();
    auto task = ringo::spawn([attempts, ctx = ctx] { return retry(ctx, attempts); });

    const std::error_code refused = make_error_code(std::errc::connection_refused);
    for (int i = 0; i < 6; ++i) attempts.send(refused);  // after 0, 1, 3, 7, 15, 31 seconds
    check(task.join() == ringo::errc::deadline_exceeded);
    check(ringo::now() - start == 1min);  // to the nanosecond, in no time
  });
  //! [bubble]
}

TEST_CASE("guide: waiting for the others") {
  // [wait]
  ringo::testing::bubble([] {
    std::string log;
    const auto [ctx, cancel] = ringo::with_cancel(ringo::background());
    const auto stop = ringo::after_func(ctx, [&log] { log = "cleaned up"; });
    ringo::testing::wait();
    check(log.empty());
    cancel();
    ringo::testing::wait();  // until the fiber of after_func has ended
    check(log == "cleaned up");
  });
  // [wait]
}

TEST_CASE("guide: exploring schedules") {
  bool found = false;
  //! [explore]
  const auto transfer = [] {
    ringo::mutex lock;
    int balance = 1;
    ringo::wait_group done;
    for (int i = 0; i < 2; ++i) {
      done.go([&] {
        std::unique_lock guard(lock);
        const bool enough = balance > 0;
        guard.unlock();  // the mistake: what was looked at may change
        guard.lock();
        if (enough) --balance;
      });
    }
    done.wait();
    check(balance == 0);
  };
  try {
    ringo::testing::explore(1000, transfer);
  } catch (const ringo::testing::exploration_failure& failure) {
    found = true;  // failure.what() tells the seed; RINGO_SEED replays it
  }
  //! [explore]
  CHECK(found);
}
