#pragma once

// The frame of nearly every test: run a function as the main fiber on so many workers, check that
// it left no fiber behind, report what fibers recorded.

#include <doctest/doctest.h>

#include <cstddef>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

#include <ringo/runtime.hpp>
#include <ringo/testing/explore.hpp>

#include "eventually.hpp"
#include "expect.hpp"
#include "explored.hpp"

namespace ringo::test {

/// Whether a test may end with live fibers. Most may not: a fiber that is still parked when the
/// test has got all it wanted is a lost wake-up.
enum class leftovers { none, allowed };

inline constexpr std::size_t worker_counts[] = {1, 2, 8};

namespace detail {

struct report_at_exit {
  report_at_exit() = default;
  report_at_exit(const report_at_exit&) = delete;
  report_at_exit& operator=(const report_at_exit&) = delete;
  ~report_at_exit() { failure_log::instance().report(); }
};

inline void expect_no_fibers_left() {
  eventually([] { return ringo::num_fibers() == 1; }, "all other fibers to end");
}

}  // namespace detail

/// Runs `fn` as the main fiber under `workers` workers. Fails the test for what EXPECT recorded and
/// for fibers that are left.
template <class F>
void run_on(std::size_t workers, F&& fn, leftovers left = leftovers::none) {
  CAPTURE(workers);
  const detail::report_at_exit report;
  ringo::options options;
  options.workers = static_cast<decltype(options.workers)>(workers);
  ringo::run(options, [&] {
    std::forward<F>(fn)();
    if (left == leftovers::none) detail::expect_no_fibers_left();
  });
}

/// Calls `fn(workers)` on the test's thread for 1, 2 and 8 workers.
template <class F>
void for_each_worker_count(F&& fn) {
  for (const std::size_t workers : worker_counts) {
    CAPTURE(workers);
    fn(workers);
  }
}

namespace detail {

/// Runs `fn` under seeded schedules; passes over what cannot be explored.
template <class F>
void explore(F& fn) {
  const report_at_exit report;
  const auto explored = [&fn] {
    fn();
    if (failure_log::instance().any()) throw std::runtime_error("an expectation failed");
  };
  try {
    testing::explore(schedules_to_explore(), explored);
  } catch (const testing::exploration_failure& failure) {
    try {
      std::rethrow_if_nested(failure);
    } catch (const not_explorable& reason) {
      MESSAGE("not explored: " << std::string(reason.what()));
      return;
    } catch (...) {
    }
    FAIL_CHECK(std::string(failure.what()));
  }
}

}  // namespace detail

/// `run_on` for 1, 2 and 8 workers, also when others are explored: for tests that count all fibers
/// or the runs of their function, that wait for real time, or that would take too long.
template <class F>
void run_freely_on_each(F&& fn, leftovers left = leftovers::none) {
  for_each_worker_count([&](std::size_t workers) { run_on(workers, fn, left); });
}

/// The same, or explored; see explored.hpp. `fn` is run many times: it makes everything anew.
template <class F>
void run_on_each(F&& fn, leftovers left = leftovers::none) {
  if (schedules_to_explore() != 0 && left == leftovers::none) return detail::explore(fn);
  run_freely_on_each(fn, left);
}

}  // namespace ringo::test
