#pragma once

#include <chrono>
#include <cstdint>

#include "fiber/fiber.hpp"
#include "source/clock.hpp"

/// How long fibers that are ready wait for a worker: of some of them.
///
/// Whoever takes a fiber from a queue looks at whether it is pinned to a worker. So a fiber that is
/// not may carry in the same word since when it is queued, and those that carry nothing cost
/// nothing. The word is that of whoever makes the fiber ready, until it is queued, and then of who
/// takes it out.

namespace ringo::detail {

inline bool is_stamp(const worker* home) noexcept {
  return (reinterpret_cast<std::uintptr_t>(home) & 1) != 0;  // workers lie at even addresses
}

/// The worker that a fiber is pinned to, whether it is queued or not; or null. Any thread.
inline worker* pinned_home(const fiber& f) noexcept {
  worker* home = f.pinned_to.load();
  return is_stamp(home) ? nullptr : home;
}

/// By whoever is about to queue it.
inline void stamp_queued(fiber& f) noexcept {
  if (f.pinned_to.load(std::memory_order_relaxed) != nullptr) return;  // relaxed: see above
  const auto now = static_cast<std::uint64_t>(steady_clock::now().time_since_epoch().count());
  // relaxed: published when the fiber is queued
  f.pinned_to.store(reinterpret_cast<worker*>(now << 1 | 1), std::memory_order_relaxed);
}

/// By whoever has taken it out: how long it was there.
inline nanoseconds take_stamp(fiber& f) noexcept {
  // relaxed: see above
  const auto stamp = reinterpret_cast<std::uintptr_t>(f.pinned_to.load(std::memory_order_relaxed));
  f.pinned_to.store(nullptr, std::memory_order_relaxed);  // relaxed: see above
  const auto since = static_cast<std::int64_t>(stamp >> 1);
  return nanoseconds(steady_clock::now().time_since_epoch().count() - since);
}

}  // namespace ringo::detail
