// The suite's workloads with timers, sleep and contexts in threads. std has neither timers nor
// contexts.

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "harness.hpp"
#include "thread_set.hpp"

namespace {

using compare::nanoseconds;
using compare::stopwatch;
using compare::thread_set;
using compare::threads_max;
using std::int64_t;

nanoseconds sleep_10k(int64_t n) {
  const stopwatch watch;
  for (int64_t round = 0; round < n / threads_max; ++round) {
    thread_set threads;
    for (int64_t i = 0; i < threads_max; ++i) {
      threads.go([] { std::this_thread::sleep_for(std::chrono::milliseconds(1)); });
    }
  }
  return watch.elapsed();
}

/// What std has of a tree: a stop source that is stopped with another one.
nanoseconds ctx_with_cancel(int64_t n) {
  const std::stop_source root;
  const stopwatch watch;
  for (int64_t i = 0; i < n; ++i) {
    std::stop_source child;
    const std::stop_callback link(root.get_token(), [&child] { child.request_stop(); });
    child.request_stop();
  }
  return watch.elapsed();
}

template <typename Hold>
void hog(const char* name, Hold hold) {
  using clock = std::chrono::steady_clock;
  std::vector<nanoseconds> lateness;
  lateness.reserve(compare::hog_ticks);
  std::atomic<bool> over{false};
  std::thread holder([&] { hold(over); });
  const auto start = clock::now();
  for (int i = 1; i <= compare::hog_ticks; ++i) {
    const auto due = start + i * compare::hog_tick;
    std::this_thread::sleep_until(due);
    lateness.push_back(clock::now() - due);
  }
  over = true;
  holder.join();
  compare::print_hog(name, std::move(lateness));
}

void hogs(int64_t /*size*/) {
  hog("hog_p99/compute", [](const std::atomic<bool>& over) {
    while (!over) {
    }
  });
  hog("hog_p99/read", [](const std::atomic<bool>& over) {
    std::array<int, 2> ends{};
    compare::must(::pipe2(ends.data(), O_CLOEXEC) == 0, "pipe2");
    std::thread closer([&over, end = ends[1]] {
      while (!over) std::this_thread::sleep_for(compare::hog_tick);
      ::close(end);
    });
    char byte = 0;
    compare::must(::read(ends[0], &byte, 1) == 0, "read");
    closer.join();
    ::close(ends[0]);
  });
}

constexpr const char* no_timers = "std has no timers";

}  // namespace

std::vector<compare::workload> compare::time_workloads() {
  return {
      {.name = "hog_p99", .rows = hogs},
      {.name = "timer_stop", .missing = no_timers},
      {.name = "timer_stop/after_func", .missing = no_timers},
      {.name = "sleep_100k_1ms",
       .n_max = 100'000,
       .step = threads_max,
       .run = sleep_10k,
       .note = "10 000 threads at a time"},
      {.name = "ctx_with_cancel",
       .n_max = 10'000'000,
       .run = ctx_with_cancel,
       .note = "stop_source with a stop_callback"},
      {.name = "ctx_with_timeout", .missing = no_timers},
  };
}
