#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

#include <ringo/detail/config.hpp>
#include <ringo/detail/spinlock.hpp>

#include "base/fence.hpp"

/// Decides who sleeps and who must be woken.
///
/// Each worker is running (it has something to run), searching (it looks for something to steal) or
/// asleep. Invariant: while there is queued work and a worker asleep, some worker is searching or
/// will look at the queues once more before it sleeps. Each side stores, fences, then loads:
///   submitter: push the work                    | fence | nobody searching, somebody asleep? wake
///   one sleeper:   stop searching, enter as asleep  | fence | re-read every queue; work: leave
///   again
/// The fences leave no order in which both loads miss both stores.
/// A searcher that finds work and was the last one wakes the next, whether or not it knows of more
/// work: a submitter may have counted on it.
///
/// `awake` counts the worker threads that are not asleep; whoever wakes a sleeper counts it at
/// once. It is 0 only if the last worker has found every queue empty: then nothing can happen from
/// inside.
///
/// Calm: a thief that has seen every queue drain too fast to be worth stealing from (see
/// steal_patience.hpp) sleeps for `calm_nap` at most, and then looks again. While one naps so, who
/// queues work behind its own fibers wakes nobody. Work in the inject queue wakes as ever.

namespace ringo::detail {

class worker;

class idle_gate {
 public:
  /// Call after publishing work. True: the caller must call wake_one().
  bool wake_needed() const noexcept {
    full_fence();  // pairs with sleep()
    return could_wake();
  }

  /// The same for work in the caller's own run queue.
  bool help_needed() const noexcept {
    full_fence();  // pairs with sleep()
    return could_wake() &&
           calm_.load(std::memory_order_relaxed) == 0;  // relaxed: a nap ends by itself
  }

  /// After wake_needed() said no: nobody is asleep, and nobody searches.
  bool all_busy() const noexcept {
    return asleep_.load(std::memory_order_relaxed) == 0 &&   // relaxed: that call's fence
           searching_.load(std::memory_order_relaxed) == 0;  // relaxed: as above
  }

  /// Takes one sleeper out and makes it a searcher; null when there is none, or somebody searches
  /// already. The caller wakes it.
  worker* wake_one() noexcept;

  /// False: enough workers are searching. Else this one now is.
  bool start_searching(std::uint32_t running_max) noexcept;
  /// The caller was searching and found work. True: it was the last one and must call wake_one().
  [[nodiscard]] bool found_work() noexcept {
    return searching_.fetch_sub(1) == 1 && asleep_.load() != 0 && calm_.load() == 0;
  }
  /// The caller was searching and found nothing.
  void stop_searching() noexcept { searching_.fetch_sub(1); }

  static constexpr auto calm_nap = std::chrono::milliseconds(1);

  struct sleep_kind {
    bool last = false;  ///< nobody else is awake
    bool calm = false;  ///< a nap: see above
    bool operator==(const sleep_kind&) const = default;
  };
  /// Enters as asleep. After it, the caller re-reads every queue; one that naps, the inject queue
  /// only.
  sleep_kind sleep(worker* self, bool calm) noexcept;
  /// Leaves again, of its own accord. False: somebody else took it out, and made it a searcher.
  bool leave(worker* self, sleep_kind was) noexcept;

  /// For workers without a run token, which sleep elsewhere.
  /// True: nobody is awake any more.
  bool rest_begins() noexcept;
  void rest_ends() noexcept;
  void thread_starts() noexcept { rest_ends(); }

  /// Between runs: nobody is awake, asleep or searching.
  void reset() noexcept;

  std::uint32_t awake() const noexcept;
  std::uint32_t asleep() const noexcept { return asleep_.load(); }

 private:
  mutable spinlock lock_;
  std::vector<worker*> sleepers_ RINGO_GUARDED_BY(lock_);
  std::uint32_t awake_ RINGO_GUARDED_BY(lock_) = 0;
  std::atomic<std::uint32_t> searching_{0};
  std::atomic<std::uint32_t> asleep_{
      0};  // atomic: the size of sleepers_, to be read without the lock
  std::atomic<std::uint32_t> calm_{0};  // atomic: how many nap

  bool could_wake() const noexcept {
    return asleep_.load(std::memory_order_relaxed) != 0 &&   // relaxed: the caller's fence
           searching_.load(std::memory_order_relaxed) == 0;  // relaxed: the caller's fence
  }
};

}  // namespace ringo::detail
