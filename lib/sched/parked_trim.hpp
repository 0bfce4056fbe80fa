#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "source/clock.hpp"

/// Gives back what deep calls have left on the stacks of fibers that are parked for long; and,
/// after each round, pipes that nobody uses.
///
/// A worker that has run out of work passes over some of the control blocks, at most once a second.
/// A fiber that it finds parked twice, without having run in between, is held, and the pages below
/// its frames go back to the kernel. Each fiber once: until it runs again there is nothing more to
/// give back. A runtime that never runs out of work keeps its pages, and one that has gone to sleep
/// is not woken for them.

namespace ringo::detail {

class scheduler;

class parked_trim {
 public:
  /// Takes a step if one is due. True: there is more to do now.
  bool step(scheduler& owner, time_point now) noexcept;

 private:
  static constexpr auto interval = std::chrono::seconds(1);
  static constexpr std::size_t chunks_max = 64;  // for each interval: 16384 control blocks

  std::atomic<bool> busy_{false};      // one worker at a time
  std::atomic<std::int64_t> next_{0};  // when the next round is due, in ns; written by that worker
  std::size_t chunk_ = 0;              // that worker's
  std::size_t chunks_left_ = chunks_max;  // that worker's
};

}  // namespace ringo::detail
