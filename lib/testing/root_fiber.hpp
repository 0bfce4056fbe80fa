#pragma once

#include <exception>
#include <functional>
#include <string>

#include "sched/bubble.hpp"

namespace ringo::testing::detail {

/// How the first fiber of a bubble ended, and the bubble with it.
struct bubble_outcome {
  std::exception_ptr thrown;
  bool returned = false;
  std::string deadlock;  // empty: every fiber has ended
};

/// Runs `body(argument)` as the first fiber of the bubble that `begin` makes, and recycles that.
void run_root(const std::function<ringo::detail::bubble&()>& begin,
              void (*body)(void*),
              void* argument,
              const void* site,
              bubble_outcome& outcome);

}  // namespace ringo::testing::detail
