#pragma once

#include <concepts>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace ringo::testing {

/// Which schedules explore() runs: `count` of them from `first`.
struct seed_range {
  std::uint64_t first = 1;
  std::uint64_t count = 1000;
};

/// What explore() throws. what() tells the seed and what went wrong; an exception that left `fn` is
/// nested in it (std::rethrow_if_nested).
class exploration_failure : public std::runtime_error {
 public:
  exploration_failure(std::uint64_t seed, const std::string& what)
      : std::runtime_error(what), seed_(seed) {}
  std::uint64_t seed() const noexcept { return seed_; }

 private:
  std::uint64_t seed_;
};

namespace detail {

/// Type-erased core of explore().
void run_exploration(seed_range seeds, void (*body)(void*), void* argument);

}  // namespace detail

/// Runs `fn` under one schedule after the other, to find the one that breaks it.
///
/// @snippet tests/docs/guide_testing_test.cpp explore
///
/// Each run is a bubble() on one worker, in which the seed decides: which of the fibers that can
/// run does, which of several ready cases a select takes, where a fiber is preempted at the
/// beginning of a ringo call, and in which order things of one time happen. Half of the schedules
/// are random walks, the other half hold single fibers up for long. A run fails when an exception
/// leaves `fn` or any of its fibers, when fibers are left that can never go on (also in a mutex,
/// and when `fn` has returned), or when there is no end in sight (20 000 000 ringo calls). The
/// first failure ends the exploration and is thrown.
///
/// Replay: the same seed gives the same schedule, if `fn` makes everything anew that it uses, and
/// decides nothing by real time, addresses, fiber ids or other threads. With RINGO_SEED set in the
/// environment only that seed runs. When the process ends meanwhile (an unlock of an unlocked
/// mutex, another fatal error), the seed is printed.
///
/// Between ringo calls a fiber is not preempted: accesses to plain and atomic variables are
/// explored only as far as ringo calls stand between them; call yield() where a preemption shall be
/// possible. blocking() keeps its turn, and thread_pin has nothing to do, on one thread.
///
/// Blocks the calling thread; calls run(), so no runtime may run: panics "run: already running".
/// Throws exploration_failure.
template <std::invocable Fn>
void explore(seed_range seeds, Fn&& fn) {
  detail::run_exploration(
      seeds,
      [](void* body) { (*static_cast<std::remove_reference_t<Fn>*>(body))(); },
      const_cast<std::remove_const_t<std::remove_reference_t<Fn>>*>(&fn));
}

/// The seeds 1 to `seeds`.
template <std::invocable Fn>
void explore(std::uint64_t seeds, Fn&& fn) {
  explore(seed_range{1, seeds}, fn);
}

}  // namespace ringo::testing
