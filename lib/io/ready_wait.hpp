#pragma once

#include <cstdint>

#include "io/io_wait.hpp"
#include "sched/cancellation.hpp"
#include "source/poll_entry.hpp"

/// How a fiber waits until a call can be tried again; see source/poll_entry.hpp for what ends it.
///
/// Steps, by the only one who waits in this direction:
/// 1. Register the entry with the worker's engine, see that the timer covers the deadline, add the
///    listener of the cancellation, if there is one; refused: do not wait. Park.
/// 2. At rest, in the departure: count the wait as begun, and put the fiber into its word. If
///    something was announced meanwhile it goes on at once.
/// 3. Awake: remove the listener. Look at the state of things, and try again.

namespace ringo::detail {

/// What is waited for.
struct ready_target {
  poll_entry& entry;
  poll_entry::direction way;
  std::int32_t fd;
  std::uint32_t once = 0;  ///< not 0: a descriptor of others, waited for but once, for these events
};

/// Returns -EAGAIN, or why it has not waited: -ECANCELED, or what engine::enlist() says. `slot` and
/// `stop` may be null. For fibers. Blocks.
std::int64_t wait_until_ready(const ready_target& target,
                              io_slot* slot,
                              cancellation* stop,
                              io_reason reason,
                              io_holder* holder);

/// Takes an entry out of the set that it is registered in, and gives it back. Any thread.
void drop_entry(poll_entry& entry) noexcept;

}  // namespace ringo::detail
