#pragma once

#include <exception>
#include <string>

#include "sched/bubble.hpp"

namespace ringo::testing::detail {

/// How the first fiber of a bubble ended, and the bubble with it.
struct bubble_outcome {
  std::exception_ptr thrown;
  bool returned = false;
  std::string deadlock;  // empty: every fiber has ended
};

/// Runs `body(argument)` as the first fiber of `inside`, which is recycled at the end.
void run_root(ringo::detail::bubble& inside,
              void (*body)(void*),
              void* argument,
              const void* site,
              bubble_outcome& outcome);

}  // namespace ringo::testing::detail
