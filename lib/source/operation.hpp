#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "fiber/fiber.hpp"

/// What a fiber waits for outside of the process: one system call that a ring, or a thread of the
/// file pool, carries out. (For the moment at which a call can be tried again, see poll_entry.hpp.)
///
/// An operation lives on the stack of the fiber that waits for it. The kernel, a thread that reaps
/// and a thread that cancels may all be busy with it, so the frame must not go before all of them
/// have let go. That is what `holds` counts.
///
/// Invariants:
/// - The engine has a hold from the start until it has written `result`: with io_uring, until the
///   operation's own completion has come. Nothing else ends it, so the kernel never touches a
///   buffer after the fiber has gone on.
/// - Whoever lets go of the last hold makes the fiber ready, and nobody touches the operation then.
/// - Who wants to cancel has found the operation in a place that its fiber takes it out of before
///   the frame goes, and holds the lock of that place until cancel() has returned.
///
/// Steps of the fiber:
/// 1. Fill in what is wanted, and park.
/// 2. At rest, in the departure: engine::start(); enter the operation where cancellers look for it;
///    let go of the departure's own hold. It was the last: ready.
/// 3. Awake: leave those places. `result` is what became of it.
/// Steps of an engine: start() in the owner's thread; `result`, complete(). Those of the pool are
/// in sched/file_pool.hpp; where "the engine" is said here, it is meant too. Steps of a canceller:
/// call_off(), which at most one of them gets through; the engine is told, by a hold of its own if
/// that takes time. The engine ends the operation in the usual way: with -ECANCELED, or with what
/// happened first.

namespace ringo::detail {

class carrier;
class wake_event;

enum class opcode : std::uint8_t {
  poll,             ///< until the descriptor is ready for `events`
  receive,          ///< recv(2)
  send,             ///< send(2)
  receive_message,  ///< recvmsg(2); `data` is the msghdr
  send_message,     ///< sendmsg(2); `data` is the msghdr
  accept,           ///< accept4(2)
  read,             ///< read(2), or pread(2) if `offset` is not negative
  write,            ///< write(2), or pwrite(2) if `offset` is not negative
  sync              ///< fsync(2); with `flags` 1, fdatasync(2)
};

struct operation {
  // What is wanted; immutable once the operation has started.
  opcode code = opcode::poll;
  bool in_shared_mode = false;  ///< the descriptor may be in blocking mode; `read`, `write`
  std::uint32_t events =
      0;  ///< POLLIN, POLLOUT; what to wait for where the call cannot be made yet
  std::int32_t fd = -1;
  std::int32_t flags = 0;  ///< of the call: MSG_..., SOCK_...
  void* data = nullptr;
  std::size_t size = 0;
  std::int64_t offset = -1;
  std::int64_t (*call)(const operation& op) noexcept =
      nullptr;  ///< not null: what a thread of the file pool calls; it may block

  // What the engine, or the pool, makes of it.
  std::int64_t result = 0;  // >= 0, or -errno; -EAGAIN: try again. Written before complete()
  static constexpr std::uint32_t called_off = 1U << 31;
  std::atomic<std::uint32_t> holds{2};  // the departure's and the engine's; and called_off
  bool linked = false;                  // the engine's
  // Without values until it is started, as most calls need not wait.
  fiber* who;
  carrier* home;         // written by start(); null: a plain thread waits by itself
  wake_event* bell;      // of that plain thread
  operation* next;       // the engine's
  operation* prev;       // the engine's
  operation* mail;       // the engine's
  std::uint64_t ticket;  // the engine's

  /// True: that was the last hold, and `who` is to be made ready.
  [[nodiscard]] bool let_go() noexcept { return (holds.fetch_sub(1) & ~called_off) == 1; }

  /// By who has found it listed. True: the caller is the one that cancels it, and has a hold now.
  [[nodiscard]] bool call_off() noexcept {
    std::uint32_t seen = holds.load();
    do {
      if (seen == 0 || (seen & called_off) != 0) return false;
    } while (!holds.compare_exchange_weak(seen, (seen | called_off) + 1));
    return true;
  }
};

}  // namespace ringo::detail
