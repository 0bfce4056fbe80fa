#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include <ringo/detail/select_core.hpp>

/// Select, after Go's selectgo, with one pass before it that locks less.
///
/// 0. Among the cases that seem able to go on draw one; lock its channel alone and try; else draw
/// again. (That is all
///    there is to a select with a ready case. It does not do for `otherwise`: that no case was
///    ready must be true of all channels at one instant.)
/// 1. Lock every channel once, by falling address, so that two selects cannot deadlock. (Falling,
/// because the channel that
///    many selects share, such as one that says done, was most often made first and lies lowest: it
///    is locked last and let go first.) Draw among the cases that can go on; run one, unlock, done.
/// 2. Queue a waiter for every case, in random order where two stand in one queue; park; the
/// departure unlocks every
///    channel.
/// 3. Whoever finds one of the waiters must first win `decision` (from undecided to that case);
/// losers drop the
///    waiter and go on. Woken, the select takes the waiters that are left out of their queues, each
///    under the lock of its channel: one that stayed would pile up on a quiet channel.
///
/// The departure touches nothing of the frame after it has released the last lock. The frame cannot
/// go before that: the waker held the lock of the winning channel, and pass 3 takes the lock of
/// every other channel.

namespace ringo::detail {

struct select_frame;

struct select_waiter : waiter {
  select_frame* select = nullptr;  // immutable while queued
};

struct select_frame {
  static constexpr std::uint32_t undecided = UINT32_MAX;

  const std::span<select_op> ops;
  std::uint32_t* const room;     // one for each op: scratch for indices
  select_waiter* const waiters;  // one for each op
  chan_core** const channels;    // each channel once, by falling address; nil ones left out
  std::uint32_t channels_used = 0;
  bool repeated = false;  // a channel stands in more than one case
  std::atomic<std::uint32_t> decision{undecided};

  select_frame(std::span<select_op> listed,
               std::uint32_t* scratch,
               select_waiter* places,
               chan_core** sorted) noexcept
      : ops(listed), room(scratch), waiters(places), channels(sorted) {}

  /// A waker's claim for case `index`. Once for each select.
  bool decide(std::uint32_t index) noexcept {
    std::uint32_t expected = undecided;
    return decision.compare_exchange_strong(expected, index);
  }

  /// Passes 1 to 3.
  std::size_t run(bool may_block);
  /// Pass 0.
  static std::size_t try_each(std::span<select_op> ops, std::uint32_t* room);

 private:
  void sort_channels() noexcept;
  void lock_all() noexcept RINGO_NO_THREAD_SAFETY;
  void unlock_all() noexcept RINGO_NO_THREAD_SAFETY;
  std::size_t take_ready(fiber*& woken) noexcept RINGO_NO_THREAD_SAFETY;
  void enqueue(std::uint32_t index, fiber* self) noexcept RINGO_NO_THREAD_SAFETY;
  void enqueue_all() noexcept RINGO_NO_THREAD_SAFETY;
  void dequeue_losers(std::uint32_t winner) noexcept RINGO_NO_THREAD_SAFETY;
  void leave(waiter& w, chan_core& owner) noexcept RINGO_NO_THREAD_SAFETY;

  friend struct select_waits;
  friend struct cancellable_wait;
};

}  // namespace ringo::detail
