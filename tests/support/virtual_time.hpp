#pragma once

// The frame of tests in which time passes: run_on, in a bubble, where no real time does. Times are
// exact there: compare with ==.

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

#include <ringo/testing/bubble.hpp>
#include <ringo/time/now.hpp>

#include "run_on.hpp"

/// For the messages of EXPECT_EQ.
template <class Rep, class Period>
struct doctest::StringMaker<std::chrono::duration<Rep, Period>> {
  static doctest::String convert(const std::chrono::duration<Rep, Period>& duration) {
    const std::chrono::nanoseconds exact = duration;
    return (std::to_string(exact.count()) + "ns").c_str();
  }
};

namespace ringo::test {

/// Runs `fn` in a bubble on `workers` workers.
template <class F>
void run_in_bubble_on(std::size_t workers, F&& fn) {
  run_on(workers, [&] { testing::bubble(std::forward<F>(fn)); });
}

/// The same for 1, 2 and 8 workers.
template <class F>
void run_in_bubble_on_each(F&& fn) {
  for_each_worker_count([&](std::size_t workers) { run_in_bubble_on(workers, fn); });
}

/// Tells how much time has passed since it was made, by the caller's clock.
class stopwatch {
 public:
  std::chrono::nanoseconds passed() const { return ringo::now() - start_; }
  /// The same up to a point of time.
  std::chrono::nanoseconds until(std::chrono::steady_clock::time_point time) const {
    return time - start_;
  }
  std::chrono::steady_clock::time_point start() const { return start_; }

 private:
  std::chrono::steady_clock::time_point start_ = ringo::now();
};

}  // namespace ringo::test
