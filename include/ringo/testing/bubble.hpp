#pragma once

#include <concepts>
#include <optional>
#include <type_traits>
#include <utility>

#include <ringo/runtime.hpp>

namespace ringo::testing {
namespace detail {

/// Type-erased core of bubble().
void run_bubble(void (*body)(void*), void* argument);

}  // namespace detail

/// Runs `fn` in a bubble, where time is virtual, and returns what it returned, by value. For tests
/// of code that sleeps, waits for timers, or has deadlines: it runs in no time at all, and at the
/// same virtual times on every machine.
///
/// @snippet tests/docs/guide_testing_test.cpp bubble
///
/// `fn` runs in a fiber of its own. That fiber, and every fiber started by one of the bubble (by
/// go, spawn, wait_group::go, after_func and the like), belongs to the bubble, and so do channels,
/// timers, tickers, semaphores and contexts made by them (but a context whose parent can be
/// cancelled from outside). now() is the bubble's clock there, which begins at the real time and
/// stands still: it moves, to the next timer that somebody waits for, when every fiber of the
/// bubble is durably blocked. That is
/// - in a send, receive or select on channels of the bubble or nil channels, and in an empty
/// select;
/// - in sleep_for, sleep_until, task::join of a fiber of the bubble, wait_group::wait,
///   condition_variable::wait, and semaphore::acquire of a semaphore of the bubble;
/// - in one of these with a context of the bubble; and in wait().
/// It is not: in mutex::lock, in a channel from outside, in blocking(), or in anything that
/// something outside may wake. While a fiber waits in such a place, or runs, time stands still: who
/// polls for a later time, or waits for one inside blocking(), never sees it. (A sleep inside
/// blocking() takes real time.) Timers of one time fire in no fixed order.
///
/// Blocks until every fiber of the bubble has ended. Time stops when `fn` has returned, so that the
/// others must be about to end then. Works from a fiber, from a plain thread while a runtime runs,
/// and without a runtime: then run() is called with default options.
///
/// An exception out of `fn` is rethrown here, once all fibers have ended. Panics: "bubble: all
/// fibers are asleep - deadlock!", when all are durably blocked and no timer could wake one, and
/// "bubble: its first fiber has returned, and others are blocked - deadlock!"; both followed by a
/// line for each fiber with what it waits for. Those fibers stay as they are, and count as left
/// over at the end of the run. Panics "bubble: inside of another one", "bubble: more than 1023 at a
/// time".
///
/// Using a channel, timer, ticker, wait_group or semaphore of a bubble from anywhere else panics
/// ("channel of a bubble used from outside"), and so does cancelling its contexts; a plain thread
/// is always outside. (A timer or ticker from outside keeps real time when it is reset in a
/// bubble.) A wait_group belongs to the bubble from the add() that finds it at zero to the next.
/// To notify one of its fibers in condition_variable::wait from anywhere else is fatal. What is
/// left of timers when a bubble ends never fires; the caller of bubble() destroys what after_func
/// has kept. Source: Go's testing/synctest.
template <std::invocable Fn>
auto bubble(Fn&& fn) -> std::invoke_result_t<Fn&> {
  using value = std::invoke_result_t<Fn&>;
  struct state {
    Fn& fn;
    std::conditional_t<std::is_void_v<value>, char, std::optional<value>> returned{};
  } root{fn};
  detail::run_bubble(
      [](void* argument) {
        auto& self = *static_cast<state*>(argument);
        if constexpr (std::is_void_v<value>) {
          self.fn();
        } else {
          self.returned.emplace(self.fn());
        }
      },
      &root);
  if constexpr (!std::is_void_v<value>) return std::move(*root.returned);
}

/// Blocks until every other fiber of the caller's bubble is durably blocked or has ended; time does
/// not move meanwhile. What they did before is visible then. Panics "testing::wait: outside of a
/// bubble", "testing::wait: already in progress" when another fiber waits here, "testing::wait:
/// inside blocking()".
/// Source: Go's synctest.Wait.
void wait();

}  // namespace ringo::testing
