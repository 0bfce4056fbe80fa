// The number of workers follows the CPU quota while a run goes on, unless somebody chose it.

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/task.hpp>

#include "sched/scheduler.hpp"
#include "support/eventually.hpp"
#include "support/fibers.hpp"
#include "support/run_on.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::detail::scheduler;

namespace {

std::atomic<std::uint32_t> quota{0};

/// Brings a quota of its own, which tests change; and no RINGO_MAXPROCS.
class fake_quota {
 public:
  explicit fake_quota(std::uint32_t cpus) {
    ::unsetenv("RINGO_MAXPROCS");
    quota = cpus;
    scheduler::instance().count_cpus_with(
        [](std::int32_t /*thread*/) noexcept { return quota.load(); });
  }
  fake_quota(const fake_quota&) = delete;
  fake_quota& operator=(const fake_quota&) = delete;
  ~fake_quota() { scheduler::instance().count_cpus_with(&ringo::detail::usable_cpus); }
};

/// Long enough for one look, which comes once a second.
void let_a_look_pass() {
  const auto end = std::chrono::steady_clock::now() + 1'200ms;
  while (std::chrono::steady_clock::now() < end) ringo::yield();
}

}  // namespace

// After Go's TestCgroupGOMAXPROCSUpdate. Workers look when they poll, and before they sleep.
TEST_CASE("GR-19: the number of workers follows the quota") {
  const fake_quota set(3);
  const detail::report_at_exit report;
  ringo::run([] {
    EXPECT_EQ(ringo::workers(), 3);
    for (const std::uint32_t cpus : {5U, 2U}) {
      quota = cpus;
      eventually([&] { return ringo::workers() == static_cast<int>(cpus); }, "the new number");
    }
    quota = 4;
    // Nobody polls here: the workers only fall asleep, again and again.
    auto ch = ringo::make_chan<int>();
    ringo::go([ch]() mutable {
      while (ringo::workers() != 4) {
        ringo::sleep_for(5ms);  // tidy: real time: lets the workers fall asleep
      }
      ch.send(1);
    });
    EXPECT(ch.recv() == 1);
    EXPECT_EQ(ringo::set_workers(0), 4);
  });
}

// After Go's TestCgroupGOMAXPROCSDontUpdate.
TEST_CASE("GR-19: a number that somebody chose stays") {
  const fake_quota set(3);
  const detail::report_at_exit report;
  const auto stays = [](int number) {
    quota = 6;
    let_a_look_pass();
    EXPECT_EQ(ringo::workers(), number);
    quota = 3;
  };
  ringo::run({.workers = 2}, [&] { stays(2); });
  ringo::run([&] {
    ringo::set_workers(4);
    stays(4);
  });
  ::setenv("RINGO_MAXPROCS", "2", 1);
  ringo::run([&] { stays(2); });
  ::unsetenv("RINGO_MAXPROCS");
}
