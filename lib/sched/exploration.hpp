#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include <ringo/detail/explore_point.hpp>
#include <ringo/detail/spinlock.hpp>

#include "base/random.hpp"
#include "fiber/fiber.hpp"

/// Seeded schedules, on one worker.
///
/// While it is on, fibers never switch to each other directly: each departure goes to the worker's
/// loop, which asks choose(). That takes every fiber that is queued anywhere, and draws. Ringo
/// calls begin with explore_point(), which may put the running fiber back among those. All
/// randomness of the runtime comes from the seed too, and time is a bubble's; so that the schedule
/// depends on nothing but the seed and what the fibers do.
///
/// Two kinds of schedule take turns from seed to seed:
/// - a random walk: any fiber may come next, and each point preempts with a probability that the
///   seed draws;
/// - priorities (Burckhardt et al., "A randomized scheduler with probabilistic guarantees"): always
///   the fiber with the highest one runs; they are random, and at a few random points the running
///   fiber gets the lowest. It finds what needs a fiber to be held up for long. A fiber that
///   yields, or runs on and on, gets the lowest as well: it may be waiting in a loop.
///
/// A failure ends the seed: from then on only fibers outside of the bubble run.
///
/// Fibers only leave a note of why they come to the loop, where everything is decided: so that the
/// exploration orders nothing between them, and ThreadSanitizer still sees their races.

namespace ringo::detail {

class bubble;
class worker;

class exploration {
 public:
  static exploration& instance() noexcept;

  /// No runtime runs yet, or any more.
  void start() noexcept { exploring.store(true); }
  void stop() noexcept;

  /// The fibers of `group` run by this seed from now on. On the worker.
  void begin(std::uint64_t seed, bubble& group);
  /// What failed; empty: nothing.
  std::string failure();

  /// For the worker's loop. Null: nobody is queued.
  fiber* choose(worker& on);
  /// See explore_point().
  void point() noexcept;
  /// The running fiber is about to yield of its own accord.
  void yields() noexcept { note_.store(note::yields); }
  /// An exception has left the running fiber of the bubble. Only the first failure counts.
  [[noreturn]] void fail(std::string what);
  /// One that was queued when the run ended, or null.
  fiber* take_left_over() noexcept;

 private:
  enum class strategy : std::uint8_t { random_walk, priorities };
  static constexpr std::uint64_t steps_max = 20'000'000;
  static constexpr std::uint32_t patience = 1000;  // points that a fiber may pass in a row

  /// Why the running fiber comes to the loop.
  enum class note : std::uint8_t { leaves, passes_point, yields };

  std::atomic<note> note_{note::leaves};
  spinlock lock_;  // begin() and fail() against the loop, which has the rest
  random_source random_{1};
  std::atomic<bubble*> group_{nullptr};
  fiber* running_ = nullptr;  // chosen last
  strategy strategy_ = strategy::random_walk;
  std::uint32_t preempt_one_in_ = 2;
  std::vector<std::uint64_t> change_at_;  // steps
  std::uint64_t steps_ = 0;
  std::uint32_t in_a_row_ = 0;  // points of the running fiber
  std::uint32_t lowest_ = 0;    // counts down
  std::vector<fiber*> queued_;
  std::unordered_map<std::uint64_t, std::uint32_t> priorities_;  // by fiber id
  std::string failure_;

  void gather(worker& from);
  void fail_now(std::string what) RINGO_REQUIRES(lock_);
  bool goes_on(const fiber& f);
  std::size_t draw();
  std::uint32_t priority_of(const fiber& f);
  void lower(const fiber& f) { priorities_[f.id.load()] = --lowest_; }
};

}  // namespace ringo::detail
