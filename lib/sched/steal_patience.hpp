#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "sched/run_queue.hpp"
#include "source/clock.hpp"

/// Decides whether stealing from a run queue pays.
///
/// A fiber that moves to another CPU takes some microseconds to bring its stack, and those it talks
/// to, into that CPU's cache; and afterwards both CPUs fight for the channels they share. So fibers
/// are stolen only if they would have waited for longer than that. A thief notes how far the queue
/// reached when it saw it first: if its owner gets there within `patience`, the queue drains fast
/// enough and the thief notes it anew; else it steals.

namespace ringo::detail {

class steal_patience {
 public:
  static constexpr auto patience = std::chrono::microseconds(20);

  void reserve(std::uint32_t victims) {
    if (looks_.size() < victims) looks_.resize(victims);
  }

  /// True: what waited in `queue` (of worker `victim`) at an earlier look still waits.
  bool is_over(std::uint32_t victim, const run_queue& queue, time_point now) noexcept {
    look& last = looks_[victim];
    const bool still_there = static_cast<std::int32_t>(last.tail - queue.head()) > 0;
    if (still_there) return now - last.since >= patience;
    last = {now, queue.tail()};
    return false;
  }

 private:
  struct look {
    time_point since{};
    std::uint32_t tail = 0;  // of the queue, then
  };
  std::vector<look> looks_;  // by worker index
};

}  // namespace ringo::detail
