#pragma once

#include <ringo/detail/intrusive_list.hpp>

#include "fiber/fiber.hpp"
#include "sched/current.hpp"

/// The two verbs of the engine, for fibers and plain threads alike.
///
/// Every blocking operation is one sentence: under my lock, put a waiter in my queue, park, and let
/// the lock go once I am off my stack. The waker takes the waiter out under the same lock, lets it
/// go, and calls ready().

namespace ringo::detail {

/// Parks the caller on `subject`; `kind.after(subject)` runs once it is at rest. Returns after
/// ready(). What the waker did before ready() is visible then. The thread may be another one.
void park(const park_kind& kind, void* subject) noexcept;

/// Queues a fiber that was parked; the caller is its only waker. Never blocks. A fiber that was
/// woken by a fiber runs next on the same worker; one that was woken by a plain thread goes to the
/// inject queue.
void ready(fiber* f) noexcept;

/// The same from a timer's `fire`: a fiber goes onto `list`, in order; a plain thread is woken at
/// once.
void ready_onto(fiber* f, intrusive_queue<fiber>& list) noexcept;

/// The same for many at once, cheaper for each. They go behind what is queued already.
void ready_all(fiber** fibers, std::size_t count) noexcept;

/// Marks fibers as awake, and leaves those of them that are to be queued, `left` in number. Returns
/// how many there were. None is a thread.
std::uint32_t wake_all(intrusive_queue<fiber>& fibers, std::uint32_t& left) noexcept;
inline constexpr std::size_t ready_batch = 64;

}  // namespace ringo::detail
