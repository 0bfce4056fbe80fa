#pragma once

#include <system_error>

#include <ringo/detail/sync_queue.hpp>

#include "sched/cancellation.hpp"

/// How a wait in a sync_queue or grant_queue gives up. The condition_variable has a protocol of its
/// own, in its file.
///
/// Invariants:
/// - Who takes a waiter out of the queue, under the queue lock, decides how the wait ends: a waker
///   or the canceller, never both. So nothing is granted to one who gives up, and a waiter in the
///   queue has not given up: wakers need not look.
/// - The canceller has taken it out completely: a waiter that was called off does not touch the
///   primitive any more, and neither does the canceller once wait_unless() has returned, since that
///   waits for the cancellation's lock. So the destruction rule of sync_queue.hpp holds.
/// - Nobody wants the cancellation's lock with a queue lock in hand: the canceller takes them in
///   the other order. So the listener is added before the waiter is queued, and removed after.
///
/// The waiter's steps, in wait_unless():
/// 1. Enter the primitive in the waiter, add the listener. Refused: give up.
/// 2. Wait as everybody does. With the queue locked: called off meanwhile? Then publish, give up.
///    Else queue, park.
/// 3. Awake: remove the listener. Nobody knows the waiter then; `outcome` says how it ended.
/// The canceller's, under the cancellation's lock:
/// 1. The waiter has been cut off: a waker was faster. Nothing.
/// 2. Lock the queue. The waiter is in it, hence at rest: take it out, note `called_off` as its
///    outcome, cut it off, do what the primitive does when a waiter leaves (grant those behind it
///    whose turn it is), publish, the last touch.
/// 3. Else it is on its way into the queue, or out of it: leave the note `called_off`, publish. Who
///    was woken to compete (mutex) and loses then gives up in its step 2; who was granted what it
///    wanted succeeds.
/// 4. After the cancellation's locks are released: ready it, and those who were granted.
/// The end of a run: claim() takes a parked waiter out as a canceller does, and dropped() does for
/// one that was woken what it would have done; both stop the listening, which waits for a canceller
/// that is just about it. The destructor of a primitive does the same for those who still wait:
/// it takes them out under the queue lock, and stops the listening without it.

namespace ringo::detail {

/// Of a waiter that may give up.
struct sync_listener : cancellation::listener {
  void* waiter = nullptr;  // as the queue's own kind of waiter. Immutable
};

/// Who may call off a waiter in a primitive of its bubble.
template <typename Word>
RINGO_NO_TSAN durability reach_of(const sync_waiter<Word>& self) noexcept {
  if (self.listener == nullptr) return durability::durable;
  const cancellation* stop = self.listener->owner.load();  // null: it is being called off
  return stop != nullptr ? stop->reach(*self.who) : durability::shared;
}

/// What a waiter waits for, for park_kind. Not instrumented: every worker stands still.
template <typename Word>
RINGO_NO_TSAN void waits_for(void* subject, wait_objects& found) noexcept {
  const auto& self = *static_cast<sync_waiter<Word>*>(subject);
  // Null: it is gone, or a waker has it in hand.
  const sync_queue<Word>* owner = self.owner.load();
  found.add(owner, sizeof *owner, wait_objects::extent::part);
  if (self.listener != nullptr) note_cancellation(*self.listener, found);
}

/// Nobody calls off the waiter afterwards, nor is just doing so. At the end of the run, or of the
/// primitive.
inline void stop_listening(sync_listener* listener) noexcept {
  if (listener != nullptr) cancellation::forget(*listener);
}

/// What the canceller does.
template <typename Word>
void call_off(cancellation::listener& listener, cancellation::walk& found) noexcept;
extern template void call_off<std::uint32_t>(cancellation::listener& listener,
                                             cancellation::walk& found) noexcept;
extern template void call_off<std::uint64_t>(cancellation::listener& listener,
                                             cancellation::walk& found) noexcept;

/// Calls `wait`, which is to return false if the waiter was called off, and listens meanwhile. The
/// caller has looked whether `stop` is done already.
template <typename Word, typename Wait>
std::error_code wait_unless(cancellation& stop,
                            sync_queue<Word>& queue,
                            sync_waiter<Word>& self,
                            void (*call_off)(cancellation::listener&, cancellation::walk&) noexcept,
                            Wait wait) {
  sync_listener listener;
  listener.fire = call_off;
  listener.waiter = &self;
  self.listener = &listener;
  self.owner.store(&queue, std::memory_order_relaxed);  // relaxed: published by add()
  if (!stop.add(listener)) return stop.code();
  const bool succeeded = wait();
  stop.remove(listener);
  return succeeded ? std::error_code{} : stop.code();
}

}  // namespace ringo::detail
