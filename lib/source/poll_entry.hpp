#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include <ringo/detail/spinlock.hpp>

#include "source/operation.hpp"

/// A descriptor's place in an epoll set.
///
/// It is registered once, edge-triggered for both directions, with the engine of the worker that
/// first waited; once that worker has no run token any more, whoever waits next takes it along to
/// its own. Entries are recycled but never unmapped, so that an event which was fetched before
/// the descriptor was closed may still be applied: all it can do is to let the next owner try once
/// in vain.
///
/// One word for each direction: nobody, ready, or the operation that waits.
///   event:  nobody -> ready; operation -> nobody, and it completes with "try again".
///   start:  nobody -> operation; ready -> nobody, and the operation completes at once.
///   cancel: operation -> nobody, and it completes.
/// Whoever takes the operation out completes it. An edge is never lost: it is remembered as `ready`
/// until somebody tries again.

namespace ringo::detail {

class engine;

struct alignas(cache_line) poll_entry {
  static constexpr std::uintptr_t nobody = 0;
  static constexpr std::uintptr_t ready = 1;
  enum direction : std::uint8_t { reading, writing };

  std::array<std::atomic<std::uintptr_t>, 2> waiting{nobody, nobody};  // atomic: see above
  // The other side is gone, or will send no more, or has sent urgent data, at which a read ends: a
  // short read does not mean that the next one would block. Atomic: set by events, cleared for the
  // next owner.
  std::atomic<bool> hung_up{false};
  std::atomic<bool> one_shot{false};         // for one wait in either direction. Atomic: as home
  std::atomic<std::uint64_t> generation{0};  // of `home`; 0: not registered. Written under the lock
  spinlock lock;                             // registering
  // Atomic: as generation, while registered.
  std::atomic<engine*> home{nullptr};
  std::int32_t fd RINGO_GUARDED_BY(lock) = -1;
  // Stands for a descriptor that is twice in the set.
  std::int32_t duplicate RINGO_GUARDED_BY(lock) = -1;
  poll_entry* next = nullptr;  // of the free list

  /// Nobody will tell it of events any more.
  void leave_set() noexcept RINGO_REQUIRES(lock);

  /// Takes a remembered edge. True: trying again is worth it.
  bool take_ready(direction d) noexcept {
    std::uintptr_t expected = ready;
    return waiting[d].load(std::memory_order_relaxed) == ready &&  // relaxed: the exchange decides
           waiting[d].compare_exchange_strong(expected, nobody);
  }
};

static_assert(sizeof(poll_entry) == cache_line, "each event touches one");

/// Never blocks; may allocate.
poll_entry* take_poll_entry();
/// Nobody waits in it, and it is not registered any more.
void give_back(poll_entry& entry) noexcept;

}  // namespace ringo::detail
