#pragma once

#include <ringo/detail/chan_core.hpp>

#include "chan/select_frame.hpp"

/// The steps of a channel operation that are taken under its lock; single operations and select
/// share them.

namespace ringo::detail {

/// Moves `value` in behind `before` elements, and counts it.
[[gnu::always_inline]] inline void chan_core::push(void* value, std::size_t before) noexcept {
  std::size_t tail = head_ + before;
  if (tail >= capacity_) tail -= capacity_;
  type_.move(at(tail), value);
  set_count(before + 1);
}

/// Moves the oldest element out; the caller counts.
[[gnu::always_inline]] inline void chan_core::pop_into(void* slot) noexcept {
  void* element = at(head_);
  type_.move(slot, element);
  type_.end(element);
  if (++head_ == capacity_) head_ = 0;
}

inline waiter* chan_core::next_waiter(intrusive_list<waiter>& queue,
                                      std::atomic<std::uint32_t>& count) noexcept {
  while (waiter* w = queue.pop_front()) {
    // release pairs with recv_would_block(); relaxed: under the lock
    count.store(count.load(std::memory_order_relaxed) - 1, std::memory_order_release);
    if (!w->selecting || static_cast<select_waiter*>(w)->select->decide(w->index)) return w;
    w->owner.store(nullptr, std::memory_order_release);  // pairs with cancellable_wait::leave()
  }
  return nullptr;
}

[[gnu::always_inline]] inline chan_status chan_core::send_now(void* value, fiber*& woken) noexcept {
  // relaxed: under the lock
  if (RINGO_UNLIKELY(closed_.load(std::memory_order_relaxed))) return chan_status::closed;
  if (!receivers_.empty()) {
    if (waiter* receiver = next_waiter(receivers_, receivers_waiting_)) {
      if (receiver->slot != nullptr) type_.move(receiver->slot, value);
      receiver->ok = true;
      woken = receiver->who;
      return chan_status::done;
    }
  }
  const std::size_t count = count_.load(std::memory_order_relaxed);  // relaxed: under the lock
  if (count < capacity_) {
    push(value, count);
    return chan_status::done;
  }
  return chan_status::would_block;
}

[[gnu::always_inline]] inline chan_status chan_core::recv_now(void* slot, fiber*& woken) noexcept {
  const std::size_t count = count_.load(std::memory_order_relaxed);  // relaxed: under the lock
  if (count > 0) {
    pop_into(slot);
    // The longest-waiting sender's value takes the free place, at the tail. The count goes straight
    // to its new value: recv_would_block() must not see an empty buffer in between. Not once the
    // channel is closed: then close() is about to tell the senders so.
    const bool closed = closed_.load(std::memory_order_relaxed);  // relaxed: under the lock
    waiter* sender = senders_.empty() || closed ? nullptr : next_waiter(senders_, senders_waiting_);
    if (sender == nullptr) {
      set_count(count - 1);
      return chan_status::done;
    }
    push(sender->slot, count - 1);
    sender->ok = true;
    woken = sender->who;
    return chan_status::done;
  }
  // relaxed: under the lock
  if (RINGO_UNLIKELY(closed_.load(std::memory_order_relaxed))) return chan_status::closed;
  if (!senders_.empty()) {
    if (waiter* sender = next_waiter(senders_, senders_waiting_)) {
      type_.move(slot, sender->slot);
      sender->ok = true;
      woken = sender->who;
      return chan_status::done;
    }
  }
  return chan_status::would_block;
}

}  // namespace ringo::detail
