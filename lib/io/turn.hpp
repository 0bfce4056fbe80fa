#pragma once

#include <cstdint>

#include <ringo/detail/config.hpp>
#include <ringo/detail/explore_point.hpp>
#include <ringo/detail/sync_queue.hpp>

#include "io/io_outcome.hpp"
#include "io/io_wait.hpp"
#include "sched/cancellation.hpp"

/// The right to read from a descriptor, or to write to it, of one user at a time, until the
/// descriptor is closed: one half of Go's fdMutex.
///
/// Word: held, closed, and the two flags of sync_queue.
///
/// take:      free -> held by one step. Else lock the queue: closed, publish it and refuse; else
///            park at its end, with the word published as held|waiting.
/// give_back: nobody waits, and not closed: held -> free by one step. Else, closed: held|closed ->
///            closed by one step. Else lock the queue, take out who is first, publish {held,
///            waiting if there are more}, and ready it: it has the turn now.
/// close:     lock the queue, take everybody out, publish {closed, held if it was}, and ready them:
///            they are refused.
///
/// Invariants:
/// - Nobody waits at a closed one, and nobody takes it.
/// - So it is both closed and free for the first time in one step: the last give_back(), or
///   close(). Whoever makes it is told so, and lets go of the number in this direction.
///
/// From hand to hand, in order, and not to newcomers first: who takes turns with another one writes
/// as often as that one does.
/// How one gives up: sync_cancel.hpp. Who was given the turn, but never goes on, as the run has
/// ended, has its holder give it back.

namespace ringo::detail {

class turn {
 public:
  /// Never blocks. False: somebody has it, or it is closed.
  bool try_take() noexcept {
    std::uint32_t expected = 0;
    return queue_.change_strong(expected, held);
  }
  /// Waits for it. errc::closed, or the code of `stop`, which may be null. A fiber that has it, but
  /// never goes on, has `holder` give it back.
  io_error take(cancellation* stop, io_holder& holder);
  /// True: that was the last one's. Never blocks.
  [[nodiscard]] bool give_back() noexcept {
    explore_point();
    std::uint32_t expected = held;
    return RINGO_UNLIKELY(!queue_.change_strong(expected, 0)) && give_back_slow();
  }
  /// Once. True: nobody has it, nor will. Never blocks.
  [[nodiscard]] bool close() noexcept;

 private:
  using queue = sync_queue<std::uint32_t>;
  static constexpr std::uint32_t held = 1U << queue::payload_shift;
  static constexpr std::uint32_t closed = 2U << queue::payload_shift;

  queue queue_;

  struct waiter;
  bool wait(waiter& self);
  bool give_back_slow() noexcept;
};

}  // namespace ringo::detail
