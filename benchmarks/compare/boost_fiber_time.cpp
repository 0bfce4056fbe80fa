// The suite's workloads with timers, sleep and contexts in Boost.Fiber, which can only sleep.

#include <chrono>
#include <cstdint>
#include <vector>

#include <boost/fiber/all.hpp>

#include "boost_fiber.hpp"
#include "harness.hpp"

namespace {

using compare::nanoseconds;
using compare::stopwatch;
using compare::boost_fiber::fibers_max;
using compare::boost_fiber::go;
using compare::boost_fiber::wait_group;
using std::int64_t;

/// A hundred thousand at a time; one operation is one of them, from its start to its end.
nanoseconds sleep_100k(int64_t n) {
  const stopwatch watch;
  for (int64_t round = 0; round < n / fibers_max; ++round) {
    wait_group group;
    group.add(fibers_max);
    for (int64_t i = 0; i < fibers_max; ++i) {
      go([&group] {
        boost::this_fiber::sleep_for(std::chrono::milliseconds(1));
        group.done();
      });
    }
    group.wait();
  }
  return watch.elapsed();
}

constexpr const char* no_timers = "Boost.Fiber has no timers";
constexpr const char* no_contexts = "Boost.Fiber has no contexts";

}  // namespace

std::vector<compare::workload> compare::time_workloads() {
  return {
      {.name = "hog_p99", .missing = "a fiber that computes holds its thread"},
      {.name = "timer_stop", .missing = no_timers},
      {.name = "timer_stop/after_func", .missing = no_timers},
      {.name = "sleep_100k_1ms", .n_max = 1'000'000, .step = fibers_max, .run = sleep_100k},
      {.name = "ctx_with_cancel", .missing = no_contexts},
      {.name = "ctx_with_timeout", .missing = no_contexts},
  };
}
