#pragma once

#include <atomic>

#include <sched.h>

#include <ringo/detail/config.hpp>

#include "base/fence.hpp"
#include "fiber/fiber.hpp"

/// A worker's run-next slot: the fiber that was made ready last and runs next, so that a hand-over
/// between two fibers stays on one worker and in its caches.
///
/// The owner uses it at nearly every switch and nobody else does, unless the owner has been
/// computing for long; then it is robbed. So the cost lies with the robber:
///   owner, put/take: 1. busy = 1   2. light fence   3. robbing? then busy = 0, wait, again
///                    4. use slot   5. busy = 0 (release)
///   robber:          1. robbing: 0 -> 1 (one robber)   2. heavy fence   3. busy? then give up
///                    4. use slot   5. robbing = 0 (release)
/// The fences leave no order in which the owner misses `robbing` and the robber misses `busy`.

namespace ringo::detail {

class run_next {
 public:
  /// Owner. Returns the fiber that was there.
  fiber* put(fiber* f) noexcept {
    enter();
    fiber* old = slot_.load(std::memory_order_relaxed);  // relaxed: owner's section
    slot_.store(f, std::memory_order_release);           // pairs with rob()
    leave();
    return old;
  }

  /// Owner.
  fiber* take() noexcept {
    // relaxed: only the owner fills it, so that empty means empty
    if (slot_.load(std::memory_order_relaxed) == nullptr) return nullptr;
    enter();
    fiber* f = slot_.load(std::memory_order_acquire);  // pairs with put(), by another fiber
    slot_.store(nullptr, std::memory_order_relaxed);   // relaxed: owner's section
    leave();
    return f;
  }

  /// Any thread but the owner. Null: empty, or the owner is using it, which means that it needs no
  /// help.
  fiber* rob() noexcept {
    if (empty() || robbing_.exchange(true)) return nullptr;
    heavy_fence();  // pairs with enter()
    fiber* f = nullptr;
    if (!busy_.load(std::memory_order_acquire)) {       // pairs with leave()
      f = slot_.load(std::memory_order_acquire);        // pairs with put()
      slot_.store(nullptr, std::memory_order_relaxed);  // relaxed: robber's section
    }
    robbing_.store(false, std::memory_order_release);  // pairs with enter()
    return f;
  }

  /// Any thread; a snapshot.
  bool empty() const noexcept { return peek() == nullptr; }
  fiber* peek() const noexcept {
    return slot_.load(std::memory_order_relaxed);  // relaxed: snapshot
  }

 private:
  std::atomic<fiber*> slot_{nullptr};
  std::atomic<bool> busy_{false};
  std::atomic<bool> robbing_{false};

  void enter() noexcept {
    for (;;) {
      busy_.store(true, std::memory_order_relaxed);                         // relaxed: fence below
      light_fence();                                                        // pairs with rob()
      if (RINGO_LIKELY(!robbing_.load(std::memory_order_acquire))) return;  // pairs with rob()
      busy_.store(false, std::memory_order_release);                        // pairs with rob()
      // A robber holds it for some instructions, unless it was descheduled.
      while (robbing_.load(std::memory_order_acquire)) ::sched_yield();  // pairs with rob()
    }
  }
  void leave() noexcept { busy_.store(false, std::memory_order_release); }  // pairs with rob()
};

}  // namespace ringo::detail
