#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/random.hpp"

struct io_uring_sqe;

/// Makes a ring behave badly, for tests: everything that a kernel may do, done often.
///
/// The engine consults it where it hands things to the kernel and where it takes them back. Off by
/// default. On for the engines of a test that asks for it, and, in builds with assertions, for
/// every ring of a process whose environment has RINGO_TEST_FAULTS=<seed>.

namespace ringo::detail {

struct ring_completion;

/// Each rate: how often, of 256 times.
struct ring_fault_plan {
  std::uint64_t seed = 1;
  std::uint8_t shortened = 0;        ///< a transfer is given less room or fewer bytes than it wants
  std::uint32_t shortened_from = 2;  ///< those of so many bytes or more
  std::uint8_t refused = 0;      ///< an operation is not done; its result is an error that passes
  std::uint8_t enter_fails = 0;  ///< the kernel takes nothing: ENOMEM, EAGAIN, EBUSY
  std::uint8_t late = 0;         ///< a completion is kept back for a while, behind later ones
  bool tiny = false;             ///< queues for 2 submissions and 4 completions
  bool old_kernel = false;       ///< nothing is used that Linux 5.15 does not have
};

class ring_faults {
 public:
  explicit ring_faults(const ring_fault_plan& plan) noexcept
      : plan_(plan), owner_(plan.seed * 2 + 1), reaper_(~plan.seed) {}

  const ring_fault_plan& plan() const noexcept { return plan_; }

  // The owner's.
  /// 0, or what io_uring_enter is to fail with.
  int enter_error() noexcept;
  /// 0, or the result of an operation that is not to be done at all.
  std::int32_t refusal() noexcept;
  /// May shorten a transfer.
  std::uint32_t shortened(std::uint32_t length) noexcept;

  // Under the engine's try-lock.
  /// Keeps some of the `count` completions in `batch` back, and puts in some of those kept before.
  /// Returns how many are in it now; at most `max`.
  unsigned disturb(ring_completion* batch, unsigned count, unsigned max) noexcept;

  /// Whether completions are kept back: nobody may sleep for long. Any thread.
  bool keeps_any() const noexcept { return kept_count_.load() != 0; }

 private:
  static constexpr unsigned kept_max = 32;
  struct kept_completion {
    std::uint64_t id;
    std::int32_t result;
  };

  const ring_fault_plan plan_;
  random_source owner_;
  random_source reaper_;  // as kept_
  std::array<kept_completion, kept_max> kept_{};
  std::atomic<unsigned> kept_count_{0};

  static bool strikes(random_source& random, std::uint8_t rate) noexcept {
    return rate != 0 && random.below(256) < rate;
  }
};

/// The plan that RINGO_TEST_FAULTS asks for; null: none, or a build without assertions. Each call
/// gives the next seed.
const ring_fault_plan* faults_from_environment(ring_fault_plan& room) noexcept;

}  // namespace ringo::detail
