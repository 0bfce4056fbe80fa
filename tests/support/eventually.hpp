#pragma once

#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <thread>

#include <ringo/go.hpp>

#include "sizes.hpp"

namespace ringo::test {

/// Lets other fibers and threads run until `holds()` is true. Throws with `what` after a bound so
/// generous that it means "never": a test that waits for an event cannot go on without it.
template <class Predicate>
void eventually(Predicate holds,
                const char* what = "a condition",
                const char* file = __builtin_FILE(),
                int line = __builtin_LINE()) {
  constexpr std::size_t yields_between_clock_reads = 64;
  const auto deadline = std::chrono::steady_clock::now() + sizes::patience;
  for (std::size_t yields = 1; !holds(); ++yields) {
    ringo::yield();
    if (yields % yields_between_clock_reads != 0) continue;
    // Plain threads need a CPU too, and the fiber that polls may occupy the only one.
    std::this_thread::yield();
    if (std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error(std::string("waited in vain for ") + what + " at " + file + ":" +
                               std::to_string(line));
    }
  }
}

/// Gives every other runnable fiber ample chance to run: for checks that something does *not*
/// happen.
inline void let_others_run() {
  for (std::size_t i = 0; i < sizes::idle_yields; ++i) ringo::yield();
}

}  // namespace ringo::test
