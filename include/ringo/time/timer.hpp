#pragma once

#include <chrono>
#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

#include <ringo/detail/config.hpp>
#include <ringo/detail/timer_handle.hpp>
#include <ringo/go.hpp>

namespace ringo {

/// One event in the future: channel() gets a value, or after_func()'s function is run. It fires
/// once for each start, and may be stopped and started again at any time. Movable. Made by its
/// constructor or by after_func(); default-constructed or moved-from it is uninitialized: its
/// channel is nil, stop() and reset() panic.
///
/// After stop() or reset() has returned nobody receives a value of before: there is nothing to
/// drain, whatever the timer had done.
///
/// Works from fibers and plain threads, before and after run() too; but timers fire only while a
/// runtime runs, those that became due before as soon as it does, and those that are active at the
/// end of a run in the next one. Nothing here blocks. Thread-safe: stop(), reset() and channel()
/// may be called by several at a time, but not while the timer is moved, assigned or destroyed.
/// Destroying a timer does not stop it: it still feeds the handles of its channel that are left,
/// and is freed with the last, fired or not.
/// Source: Go's time.Timer, by the rules of Go 1.23.
class timer {
 public:
  timer() = default;
  /// Fires after `delay`, any std::chrono duration. One that is not positive fires when a worker
  /// next looks at its timers, nanoseconds::max() never. O(log timers); allocates the timer and its
  /// channel.
  /// Source: Go's time.NewTimer.
  template <typename Rep, typename Period>
  explicit timer(std::chrono::duration<Rep, Period> delay)
      : handle_(detail::start_timer(detail::to_nanoseconds(delay), {})) {}
  /// For ringo itself.
  explicit timer(detail::timer_handle&& adopted) noexcept : handle_(std::move(adopted)) {}

  /// Stops the timer, and withdraws a value that nobody has received yet. True: it was active, and
  /// nobody gets a value (or the function does not start). False: it was stopped before, or its
  /// value has been received (or the function has been started, and may still run). Never closes
  /// the channel. Never blocks. Panics "Stop called on uninitialized Timer". O(log timers),
  /// allocates nothing.
  bool stop() const;

  /// Stops the timer as stop() does, starts it again with a new delay, and returns what stop()
  /// would. after_func()'s function may then run again while it still runs. Never blocks. Panics
  /// "Reset called on uninitialized Timer". O(log timers); may allocate room for the timer, and is
  /// left stopped when std::bad_alloc reaches the caller.
  template <typename Rep, typename Period>
  bool reset(std::chrono::duration<Rep, Period> delay) const {
    return reset_nanoseconds(detail::to_nanoseconds(delay));
  }

  /// Gets the time at which the timer was due, once it has fired. Nil for after_func(). As in Go
  /// its len() and cap() are 0. It is never closed. The handle may outlive the timer.
  recv_chan<std::chrono::steady_clock::time_point> channel() const noexcept {
    return handle_.channel();
  }

 private:
  detail::timer_handle handle_;

  bool reset_nanoseconds(std::chrono::nanoseconds delay) const;
};

/// Runs `fn` in a fiber of its own after `delay`. The timer's channel is nil; its stop() and
/// reset() take effect until the fiber is started. Dropping it changes nothing. Never blocks.
///
/// `fn` is kept until neither the timer can start it nor a fiber runs it. It must be callable more
/// than once, by several fibers at a time, if reset() is used. As with go(), an exception that
/// leaves it ends the process, and so does running out of memory when it is started.
/// Panics "go of nil func value". Thread-safe. What the caller did before is visible to `fn`.
/// O(log timers); allocates the timer and a copy of `fn`, and a fiber each time it fires.
/// Source: Go's time.AfterFunc.
template <typename Rep, typename Period, typename Fn>
requires std::invocable < std::decay_t<Fn>
& > [[gnu::always_inline]] inline timer after_func(std::chrono::duration<Rep, Period> delay,
                                                   Fn&& fn) {
  detail::check_not_nil(fn);
  using function = detail::timer_function_of<std::decay_t<Fn>>;
  return timer(
      detail::start_function(detail::to_nanoseconds(delay),
                             std::make_unique<function>(std::in_place, std::forward<Fn>(fn)),
                             detail::code_here()));
}

}  // namespace ringo
