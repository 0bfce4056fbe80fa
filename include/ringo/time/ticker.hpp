#pragma once

#include <chrono>

#include <ringo/detail/timer_handle.hpp>
#include <ringo/go.hpp>

namespace ringo {

/// Feeds its channel once every `period`, the first time after one period. At most one tick waits
/// to be received: those that find it waiting are dropped. The phase is kept: tick k is due k
/// periods after the start, however late others were. Movable; default-constructed or moved-from
/// its channel is nil.
///
/// Rules for fibers, threads, runs and lifetime as for timer: destroying a ticker does not stop it,
/// it ends with the last handle of its channel.
/// Source: Go's time.Ticker, by the rules of Go 1.23.
class ticker {
 public:
  ticker() = default;
  /// The longest periods never tick. Never blocks. Panics "non-positive interval for NewTicker".
  /// O(log timers); allocates the ticker and its channel.
  /// Source: Go's time.NewTicker.
  template <typename Rep, typename Period>
  explicit ticker(std::chrono::duration<Rep, Period> period)
      : handle_(start(detail::to_nanoseconds(period))) {}

  /// No more ticks; one that nobody has received yet is withdrawn. Never closes the channel. May be
  /// called again; does nothing to a ticker without a channel. Never blocks. O(log timers),
  /// allocates nothing.
  void stop() const;

  /// Stops the ticker and starts it anew: the next tick comes after the new period. Never blocks.
  /// Panics "non-positive interval for Ticker.Reset", "Reset called on uninitialized Ticker".
  /// O(log timers); may allocate room for the timer, and is left stopped when std::bad_alloc
  /// reaches the caller.
  template <typename Rep, typename Period>
  void reset(std::chrono::duration<Rep, Period> period) const {
    reset_nanoseconds(detail::to_nanoseconds(period));
  }

  /// Gets the times at which ticks were due. As in Go its len() and cap() are 0. It is never
  /// closed. The handle may outlive the ticker.
  recv_chan<std::chrono::steady_clock::time_point> channel() const noexcept {
    return handle_.channel();
  }

 private:
  detail::timer_handle handle_;

  static detail::timer_handle start(std::chrono::nanoseconds period);
  void reset_nanoseconds(std::chrono::nanoseconds period) const;
};

namespace detail {

recv_chan<std::chrono::steady_clock::time_point> tick_nanoseconds(std::chrono::nanoseconds period);

}  // namespace detail

/// The channel of a ticker that is only ended by dropping the last handle of the channel; nil when
/// `period` is not positive. Never blocks. Thread-safe. O(log timers).
/// Source: Go's time.Tick.
template <typename Rep, typename Period>
recv_chan<std::chrono::steady_clock::time_point> tick(std::chrono::duration<Rep, Period> period) {
  return detail::tick_nanoseconds(detail::to_nanoseconds(period));
}

}  // namespace ringo
