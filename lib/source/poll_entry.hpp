#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include <ringo/detail/assert.hpp>
#include <ringo/detail/spinlock.hpp>

#include "fiber/fiber.hpp"

/// Where fibers wait until a descriptor is ready, and its place in the engine that tells them.
///
/// It is registered once, edge-triggered, with the engine of the worker that first waited; once
/// that worker has no run token any more, whoever waits next takes it along to its own. Entries are
/// recycled but never unmapped, so that an event which was fetched before the descriptor was closed
/// may still be applied: all it can do is to let the next owner try once in vain.
///
/// One word for each direction: nobody, ready, or the fiber that waits.
///   announce: nobody -> ready; fiber -> nobody, and the caller makes it ready.
///   wait:     nobody -> fiber; ready -> nobody, and the fiber goes on at once.
/// Whoever takes the fiber out makes it ready. An announcement is never lost: it is remembered as
/// `ready` until somebody tries again.
///
/// All that makes a wait worth ending is announced in the same way: an event, a close(), a
/// deadline, a cancellation. Who does so has changed the state of things before, and a fiber looks
/// at that state before each wait. Either it sees the change, or the announcement is remembered, or
/// finds it: neither needs to know whether the other one is under way.

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
  // Counts while registered: an earlier one may be gone. Atomic: as generation.
  std::atomic<engine*> home{nullptr};
  std::int32_t fd RINGO_GUARDED_BY(lock) = -1;
  // Stands for a descriptor that is twice in the set.
  std::int32_t duplicate RINGO_GUARDED_BY(lock) = -1;
  poll_entry* next = nullptr;  // of the free list

  /// Not null: who has waited. The caller makes it ready, and counts the wait as ended. Any thread.
  [[nodiscard]] fiber* announce(direction d) noexcept {
    std::uintptr_t seen = waiting[d].load();
    for (;;) {
      if (seen == ready) return nullptr;
      const bool found = seen != nobody;
      if (waiting[d].compare_exchange_weak(seen, found ? nobody : ready)) break;
    }
    return reinterpret_cast<fiber*>(seen);  // null: nobody
  }

  /// By the departure of the only fiber that waits in this direction. False: it need not wait.
  [[nodiscard]] bool wait(direction d, fiber& who) noexcept {
    std::uintptr_t seen = nobody;
    if (waiting[d].compare_exchange_strong(seen, reinterpret_cast<std::uintptr_t>(&who))) {
      return true;
    }
    RINGO_VERIFY(seen == ready);
    waiting[d].compare_exchange_strong(seen, nobody);
    return false;
  }

  /// True: the fiber does not wait any more, and is the caller's. Any thread.
  [[nodiscard]] bool withdraw(direction d, fiber& who) noexcept {
    auto self = reinterpret_cast<std::uintptr_t>(&who);
    return waiting[d].compare_exchange_strong(self, nobody);
  }

  /// Takes a remembered announcement. True: trying again is worth it.
  bool take_ready(direction d) noexcept {
    std::uintptr_t expected = ready;
    return waiting[d].load(std::memory_order_relaxed) == ready &&  // relaxed: the exchange decides
           waiting[d].compare_exchange_strong(expected, nobody);
  }

  /// Behind a read that has emptied the socket: it is registered in the present generation, and
  /// there has been no news since. Takes a remembered announcement.
  bool is_quiet(std::uint64_t present) noexcept {
    return generation.load() == present && !hung_up.load() && !take_ready(reading);
  }

  /// Of epoll(7): what may let a read go on.
  static constexpr std::uint32_t readable_events = 0x2003;  // EPOLLIN | EPOLLRDHUP | EPOLLPRI

  /// Announces events of epoll(7), or of poll(2), whose bits are the same; puts those who have
  /// waited to `found`, two at most, and returns how many.
  std::size_t tell(std::uint32_t events, fiber** found) noexcept;

  /// Nobody will tell it of events any more.
  void leave_set() noexcept RINGO_REQUIRES(lock);
};

static_assert(sizeof(poll_entry) == cache_line, "each event touches one");

/// Never blocks; may allocate.
poll_entry* take_poll_entry();
/// Nobody waits in it, and it is not registered any more.
void give_back(poll_entry& entry) noexcept;

}  // namespace ringo::detail
