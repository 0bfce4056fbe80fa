#pragma once

#include <chrono>
#include <cstdint>
#include <unordered_set>

#include "source/clock.hpp"

namespace ringo::detail {

/// Names fibers that have been parked for very long, each once for each time that it parks: what
/// RINGO_LOG=parked asks for. One owner, the thread in run(), which else just waits.
class parked_watch {
 public:
  /// As the environment says.
  parked_watch() noexcept;

  /// Until step() has something to do; negative: never.
  nanoseconds patience() const noexcept;
  /// Looks, if it is time to, and prints what it finds.
  void step() noexcept;

 private:
  nanoseconds limit_{0};  // 0: it is not wanted
  time_point next_ = never;
  std::unordered_set<std::uint64_t> told_;  // those that are still parked

  void look();
};

}  // namespace ringo::detail
