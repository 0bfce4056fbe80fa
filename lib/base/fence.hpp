#pragma once

#include <atomic>

#include <ringo/detail/config.hpp>

/// Fences that ThreadSanitizer can follow, and a pair whose cost lies on one side.
///
/// A store-then-load protocol (Dekker) has two sides that each store, then fence, then load; with a
/// full fence on both sides, not both loads can miss both stores. Where one side runs millions of
/// times a second and the other rarely, the frequent side uses light_fence() and the rare side
/// heavy_fence(): membarrier(2) makes every running thread of the process execute a full fence, so
/// that the frequent side needs only to keep the compiler from reordering.

namespace ringo::detail {

#if RINGO_TSAN
/// TSan does not model fences; one shared read-modify-write orders all callers the same way.
inline void full_fence() noexcept {
  static std::atomic<unsigned> total_order{0};
  total_order.fetch_add(1, std::memory_order_acq_rel);  // pairs with itself
}
inline void light_fence() noexcept {
  full_fence();
}
inline void heavy_fence() noexcept {
  full_fence();
}
inline void prepare_heavy_fence() noexcept {}
#else
inline void full_fence() noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

/// True when membarrier(2) works here; set once, before the first worker starts.
extern std::atomic<bool> membarrier_works;

/// The cheap side; pairs with heavy_fence() in another thread.
inline void light_fence() noexcept {
  // relaxed: set before the other side exists
  if (RINGO_LIKELY(membarrier_works.load(std::memory_order_relaxed))) {
    std::atomic_signal_fence(std::memory_order_seq_cst);
  } else {
    full_fence();
  }
}

/// The dear side: some 0.1 us when no other thread of the process runs, some 12 us when one does.
void heavy_fence() noexcept;

/// Registers the process for membarrier(2). Call once before either side runs concurrently.
void prepare_heavy_fence() noexcept;
#endif

}  // namespace ringo::detail
