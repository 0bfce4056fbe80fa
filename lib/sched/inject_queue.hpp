#pragma once

#include <atomic>
#include <cstdint>

#include <ringo/detail/intrusive_list.hpp>
#include <ringo/detail/spinlock.hpp>

#include "fiber/fiber.hpp"
#include "source/timer_heap.hpp"

namespace ringo::detail {

/// The run queue of nobody in particular: what plain threads make ready, and what overflows from
/// the workers' rings. Unbounded FIFO. Thread-safe.
class inject_queue {
 public:
  void push(fiber* f) noexcept {
    spin_guard guard(lock_);
    queue_.push(f);
    // relaxed: the idle gate's fence orders it before the look at the sleepers
    size_.store(size_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  /// `fibers`, so many of them, and leaves none there.
  void push_all(fiber_queue& fibers, std::uint32_t count) noexcept {
    spin_guard guard(lock_);
    queue_.splice(fibers);
    // relaxed: as in push()
    size_.store(size_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }

  void push_all(fiber** fibers, std::uint32_t count) noexcept {
    spin_guard guard(lock_);
    for (std::uint32_t i = 0; i < count; ++i) queue_.push(fibers[i]);
    // relaxed: as in push()
    size_.store(size_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }

  /// Up to `wanted` fibers into `out`; returns how many.
  std::uint32_t take(fiber** out, std::uint32_t wanted) noexcept {
    if (empty()) return 0;
    spin_guard guard(lock_);
    std::uint32_t taken = 0;
    while (taken < wanted && !queue_.empty()) out[taken++] = queue_.pop();
    // relaxed: as in push()
    size_.store(size_.load(std::memory_order_relaxed) - taken, std::memory_order_relaxed);
    return taken;
  }

  /// Snapshots.
  std::uint32_t size() const noexcept {
    return size_.load(std::memory_order_relaxed);  // relaxed: snapshot
  }
  bool empty() const noexcept { return size() == 0; }

 private:
  spinlock lock_;
  fiber_queue queue_ RINGO_GUARDED_BY(lock_);
  std::atomic<std::uint32_t> size_{0};  // atomic: written under the lock, read without it
};

}  // namespace ringo::detail
