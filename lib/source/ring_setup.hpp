#pragma once

#include <system_error>

#include "source/ring_queues.hpp"

namespace ringo::detail {

/// What a kernel may be able to do beyond the least that the engine needs.
struct ring_abilities {
  bool cancel_any = false;    ///< one request cancels all others: Linux 5.19
  bool quiet_cancel = false;  ///< a request that succeeds may do so in silence: 5.17
  bool poll_first = false;    ///< a receive may say that there is nothing yet: 5.19
  bool sync_cancel = false;   ///< any thread may cancel, by a system call of its own: 6.0
};

/// user_data of what is no operation. An operation's has its address in it.
enum ring_id : std::uint64_t {
  ring_id_ignored = 1,  ///< a request to cancel
  ring_id_end
};

/// Makes a ring, tries out that everything works which the engine builds on, and finds out what
/// else the kernel can do. Empty `error_code`: it does. Takes some 0.1 ms.
std::error_code open_ring(ring_queues& queues,
                          ring_abilities& abilities,
                          const ring_fault_plan* faults) noexcept;

/// Cancels an operation from any thread. 0: it will end, or cannot be stopped any more. Else
/// -errno; -ENOENT: the kernel does not know it, or not yet.
int cancel_at_once(ring_queues& queues, std::uint64_t id) noexcept;

io_uring_sqe cancel_entry(std::uint64_t id, const ring_abilities& abilities) noexcept;
io_uring_sqe cancel_any_entry(const ring_abilities& abilities) noexcept;

}  // namespace ringo::detail
