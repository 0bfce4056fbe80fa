// The suite's workloads with timers, sleep and contexts in ringo.

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include <ringo/ringo.hpp>

#include "harness.hpp"

namespace {

using compare::must;
using compare::nanoseconds;
using compare::stopwatch;
using std::int64_t;
using std::chrono::hours;

nanoseconds timer_stop(int64_t n) {
  int64_t stopped = 0;
  const stopwatch watch;
  for (int64_t i = 0; i < n; ++i) {
    const ringo::timer timer(hours(1));
    if (timer.stop()) ++stopped;
  }
  const nanoseconds took = watch.elapsed();
  must(stopped == n, "timer_stop");
  return took;
}

nanoseconds timer_stop_after_func(int64_t n) {
  int64_t stopped = 0;
  const stopwatch watch;
  for (int64_t i = 0; i < n; ++i) {
    if (ringo::after_func(hours(1), [] {}).stop()) ++stopped;
  }
  const nanoseconds took = watch.elapsed();
  must(stopped == n, "timer_stop/after_func");
  return took;
}

/// A hundred thousand at a time; one operation is one of them, from its start to its end.
nanoseconds sleep_100k(int64_t n) {
  constexpr int sleepers = 100'000;
  const stopwatch watch;
  for (int64_t round = 0; round < n / sleepers; ++round) {
    ringo::wait_group group;
    group.add(sleepers);
    for (int i = 0; i < sleepers; ++i) {
      ringo::go([&group] {
        ringo::sleep_for(std::chrono::milliseconds(1));
        group.done();
      });
    }
    group.wait();
  }
  return watch.elapsed();
}

/// The root can be cancelled itself, so that each child enters and leaves its list.
nanoseconds ctx_with_cancel(int64_t n) {
  const auto root = ringo::with_cancel(ringo::background());
  const stopwatch watch;
  for (int64_t i = 0; i < n; ++i) {
    const auto child = ringo::with_cancel(root.ctx);
    child.cancel();
  }
  return watch.elapsed();
}

nanoseconds ctx_with_timeout(int64_t n) {
  const auto root = ringo::with_cancel(ringo::background());
  const stopwatch watch;
  for (int64_t i = 0; i < n; ++i) {
    const auto child = ringo::with_timeout(root.ctx, hours(1));
    child.cancel();
  }
  return watch.elapsed();
}

/// Ticks beside fibers that hold every worker: `hold` until `over`.
template <typename Hold>
void hog(const char* name, Hold hold) {
  using clock = std::chrono::steady_clock;
  std::vector<nanoseconds> lateness;
  lateness.reserve(compare::hog_ticks);
  std::atomic<bool> over{false};
  ringo::wait_group hogs;
  for (int i = 0; i < ringo::workers(); ++i) hogs.go([&] { hold(over); });
  ringo::spawn([&] {
    const auto start = clock::now();
    for (int i = 1; i <= compare::hog_ticks; ++i) {
      const auto due = start + i * compare::hog_tick;
      ringo::sleep_until(due);
      lateness.push_back(clock::now() - due);
    }
    over = true;
  }).join();
  hogs.wait();
  compare::print_hog(name, std::move(lateness));
}

void hogs(int64_t /*size*/) {
  hog("hog_p99/compute", [](const std::atomic<bool>& over) {
    while (!over) {
    }
  });
  hog("hog_p99/read", [](const std::atomic<bool>& over) {
    std::array<int, 2> ends{};
    must(::pipe2(ends.data(), O_CLOEXEC) == 0, "pipe2");
    ringo::go([&over, end = ends[1]] {
      while (!over) ringo::sleep_for(compare::hog_tick);
      ::close(end);
    });
    char byte = 0;
    must(::read(ends[0], &byte, 1) == 0, "read");
    ::close(ends[0]);
  });
}

}  // namespace

std::vector<compare::workload> compare::time_workloads() {
  return {
      {.name = "hog_p99", .rows = hogs},
      {.name = "timer_stop", .n_max = 10'000'000, .run = timer_stop},
      {.name = "timer_stop/after_func", .n_max = 10'000'000, .run = timer_stop_after_func},
      {.name = "sleep_100k_1ms", .n_max = 1'000'000, .step = 100'000, .run = sleep_100k},
      {.name = "ctx_with_cancel", .n_max = 10'000'000, .run = ctx_with_cancel},
      {.name = "ctx_with_timeout", .n_max = 10'000'000, .run = ctx_with_timeout},
  };
}
