#include <span>

#include <ringo/detail/select_core.hpp>
#include <ringo/error.hpp>

#include "chan/chan_steps.hpp"
#include "chan/select_frame.hpp"
#include "fiber/fiber.hpp"
#include "sched/cancellation.hpp"
#include "sched/park.hpp"

/// Channel operations that give up: a select of one case, whose decision may also fall to a
/// cancellation.
///
/// Decision: arming -> undecided -> the case; or called_off, from either of the first two.
/// Invariant: nobody waits for the cancellation's lock with the channel's in hand (cancel() takes
/// them in the other order), so the listener is added before the waiter is queued.
///
/// The waiter's steps:
/// 1. Done already: give up. Else try without waiting.
/// 2. decision = arming; add the listener. Refused: give up.
/// 3. Lock the channel and try again; done: unlock, remove the listener. A cancellation that came
///    in between has only left a note. The success wins.
/// 4. Queue the waiter, park. The departure: decision arming -> undecided, then unlock. If that
///    fails the cancellation came first: unlock, and ready the fiber.
/// 5. Awake: remove the listener, which waits for a cancel() that is just firing it. If it was
///    called off, take the waiter out of its queue under the channel's lock; unless the channel is
///    gone, or has dropped the waiter, and has noted that in it.
/// The canceller's: arming -> called_off, nothing more; or undecided -> called_off and wake.
/// A sender or receiver that finds the waiter must win undecided -> the case, as for any select,
/// and moves the value only then: nothing is lost, and nothing is done twice. The frame cannot go
/// before the departure has unlocked: step 5 of a called-off waiter takes that lock (or sees the
/// note of somebody who has held it since), and any other is woken by somebody who held it. Without
/// a channel (Go's nil channel) the departure touches nothing after it has armed.

namespace ringo::detail {

struct cancellable_wait : cancellation::listener {
  static constexpr std::uint32_t arming = select_frame::undecided - 1;
  static constexpr std::uint32_t called_off = select_frame::undecided - 2;
  static_assert(called_off >= select_cases_max);

  select_op op;
  select_waiter place;
  select_frame frame;
  fiber* who;
  const cancellation* stop = nullptr;

  cancellable_wait(chan_core* channel, void* slot, bool sending)
      : op{channel, slot, sending, false},
        frame(std::span(&op, 1), nullptr, &place, nullptr),
        who(current_fiber()) {
    fire = &call_off;
    frame.decision.store(arming);
  }

  std::error_code run(cancellation& listens_to) RINGO_NO_THREAD_SAFETY;

  /// Not instrumented: reads the frame that this thread wrote a moment ago.
  RINGO_NO_TSAN static void after(void* subject) noexcept RINGO_NO_THREAD_SAFETY {
    auto& self = *static_cast<cancellable_wait*>(subject);
    chan_core* const channel = self.op.channel;
    fiber* const waiting = self.who;
    std::uint32_t expected = arming;
    const bool armed =
        self.frame.decision.compare_exchange_strong(expected, select_frame::undecided);
    if (channel != nullptr) channel->lock_.unlock();
    if (!armed) ready(waiting);
  }
  static void call_off(cancellation::listener& l, cancellation::walk& found) noexcept {
    auto& self = static_cast<cancellable_wait&>(l);
    std::uint32_t seen = arming;
    if (self.frame.decision.compare_exchange_strong(seen, called_off)) return;
    if (seen == select_frame::undecided &&
        self.frame.decision.compare_exchange_strong(seen, called_off)) {
      found.woken.push(self.who);
    }
  }
  static bool claim(void* subject) noexcept {
    auto& self = *static_cast<cancellable_wait*>(subject);
    if (!self.frame.decide(0)) return false;
    cancellation::forget(self);
    self.leave();
    return true;
  }
  static void dropped(void* subject) noexcept {
    auto& self = *static_cast<cancellable_wait*>(subject);
    cancellation::forget(self);
    if (self.frame.decision.load() == called_off) self.leave();
  }
  /// A channel that is gone, or has dropped the waiter, has cleared `owner`.
  void leave() noexcept {
    // pairs with chan_core::next_waiter() and destroy()
    if (chan_core* where = place.owner.load(std::memory_order_acquire)) frame.leave(place, *where);
  }

  static constexpr const char* reason_of(bool sending, bool nil) noexcept {
    if (nil) return sending ? "chan send (nil chan)" : "chan receive (nil chan)";
    return sending ? "chan send" : "chan receive";
  }
  static durability durable(void* subject) noexcept {
    const auto& self = *static_cast<cancellable_wait*>(subject);
    const bool own = self.op.channel == nullptr || self.op.channel->is_bubbled();
    return own ? self.stop->reach(*self.who) : durability::shared;
  }
  /// Not instrumented: every worker stands still.
  RINGO_NO_TSAN static void waits_for(void* subject, wait_objects& found) noexcept {
    const auto& self = *static_cast<cancellable_wait*>(subject);
    if (const chan_core* channel = self.place.owner.load()) {
      channel->note_in(found);
    } else if (self.op.channel != nullptr) {
      found.add(nullptr, 0, wait_objects::extent::part);  // taken out by who wakes it
    }
    note_cancellation(self, found);
  }
  template <bool Sending, bool Nil>
  static constexpr park_kind kind{reason_of(Sending, Nil),
                                  &cancellable_wait::after,
                                  &cancellable_wait::claim,
                                  &cancellable_wait::dropped,
                                  &cancellable_wait::durable,
                                  nullptr,
                                  &cancellable_wait::waits_for};
  const park_kind& my_kind() const noexcept {
    if (op.channel == nullptr) return op.sending ? kind<true, true> : kind<false, true>;
    return op.sending ? kind<true, false> : kind<false, false>;
  }
};

std::error_code cancellable_wait::run(cancellation& listens_to) {
  stop = &listens_to;
  if (!listens_to.add(*this)) return listens_to.code();
  chan_core* const channel = op.channel;
  if (channel != nullptr) {
    fiber* woken = nullptr;
    channel->lock_.lock();
    const chan_status status =
        op.sending ? channel->send_now(op.slot, woken) : channel->recv_now(op.slot, woken);
    if (status != chan_status::would_block) {
      channel->lock_.unlock();
      if (woken != nullptr) ready(woken);
      listens_to.remove(*this);
      return status == chan_status::done ? std::error_code{} : make_error_code(errc::closed);
    }
    frame.enqueue(0, who);
    channel->lock_.prepare_handover();
  }
  park(my_kind(), this);
  listens_to.remove(*this);
  if (frame.decision.load() == called_off) {
    leave();
    return listens_to.code();
  }
  return place.ok ? std::error_code{} : make_error_code(errc::closed);
}

std::error_code send_unless(cancellation* stop, chan_core* channel, void* value) {
  if (stop == nullptr) {
    if (channel == nullptr) block_on_nil_send();
    return channel->send(value) ? std::error_code{} : make_error_code(errc::closed);
  }
  if (stop->done()) return stop->code();
  if (channel != nullptr) {
    const chan_status status = channel->try_send(value);
    if (status == chan_status::done) return {};
    if (status == chan_status::closed) return errc::closed;
  }
  return cancellable_wait(channel, value, true).run(*stop);
}

std::error_code recv_unless(cancellation* stop, chan_core* channel, void* slot) {
  if (stop == nullptr) {
    if (channel == nullptr) block_on_nil_recv();
    return channel->recv(slot) ? std::error_code{} : make_error_code(errc::closed);
  }
  if (stop->done()) return stop->code();
  if (channel != nullptr) {
    const chan_status status = channel->try_recv(slot);
    if (status == chan_status::done) return {};
    if (status == chan_status::closed) return errc::closed;
  }
  return cancellable_wait(channel, slot, false).run(*stop);
}

}  // namespace ringo::detail
