#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include <ringo/detail/annotations.hpp>

/// Standing still: one fiber runs, and every other worker rests between two fibers. For who must
/// see all of memory at one moment.
///
/// Stopper, on its own worker:
/// 1. Lock `looking` of the monitor, which then touches nothing.
/// 2. Set `halted` for every other worker, and wake it; again if there are more workers than
///    before (who starts a worker is a worker that does not stand still yet).
/// 3. Wait until every other one says that it stands since this epoch; not for ever: a fiber may
///    compute on.
/// 4. Later: clear `halted` for all, count an epoch, wake all.
/// Worker, at its next scheduling point, and while it rests without a token:
/// 5. Read the epoch. It is `halted`: say that it stands since then, and wait for another epoch.
///    (Who says so too late, for a stop that is over, names an old epoch, and goes on.)
/// Invariant: between 3 and 4 no fiber runs but the stopper's, and all others are at rest.
///
/// What the stopper wrote before 4 is seen by who goes on, and what a worker wrote before 5 by the
/// stopper.

namespace ringo::detail {

class scheduler;
class worker;

/// Step 5.
void stand_still(worker& self) noexcept;

/// The right to stop the world, for a scope without a scheduling point. One at a time.
class world_turn {
 public:
  /// Yields until it has it.
  world_turn() noexcept;
  ~world_turn();
  world_turn(const world_turn&) = delete;
  world_turn& operator=(const world_turn&) = delete;
};

/// The world stands still for a scope. Within a world_turn and scheduler::visit().
class world_stop {
 public:
  /// Blocks the thread, for `patience` at most.
  world_stop(scheduler& of, std::chrono::nanoseconds patience) noexcept RINGO_NO_THREAD_SAFETY;
  ~world_stop();
  world_stop(const world_stop&) = delete;
  world_stop& operator=(const world_stop&) = delete;

  /// False: somebody did not come in time, and all go on.
  bool holds() const noexcept { return holds_; }

 private:
  scheduler& scheduler_;
  worker* const self_;
  bool holds_ = false;

  bool all_stand() const noexcept;
  bool wait_for_all(std::chrono::nanoseconds patience) noexcept;
  void let_go() noexcept RINGO_NO_THREAD_SAFETY;
};

}  // namespace ringo::detail
