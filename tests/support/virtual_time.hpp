#pragma once

// The frame of tests in which time passes: run_on, in a bubble, where no real time does.

#include <cstddef>
#include <utility>

#include <ringo/testing/bubble.hpp>

#include "run_on.hpp"

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

}  // namespace ringo::test
