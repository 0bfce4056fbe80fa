#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <ringo/detail/closure.hpp>

namespace ringo {

/// For go() and spawn(): `go({.name = "accept", .stack_size = 1 << 20}, fn)`.
struct go_options {
  std::string_view name = {};   ///< shown in dumps; copied
  std::size_t stack_size = 0;   ///< bytes, as options::stack_size; 0: the runtime's
};

namespace detail {

struct fiber;

/// A fiber that has a control block but does not run yet. Dropping it gives the block back.
class prepared_fiber {
 public:
  /// `site` is a code address of the caller of go().
  prepared_fiber(const go_options& wanted, const void* site);
  prepared_fiber(const prepared_fiber&) = delete;
  prepared_fiber& operator=(const prepared_fiber&) = delete;
  ~prepared_fiber() {
    if (fiber_ != nullptr) discard();
  }
  closure& body() noexcept { return *body_; }
  void start() noexcept;

 private:
  fiber* fiber_;
  closure* body_;

  void discard() noexcept;
};

[[noreturn]] void panic_nil_function();
/// True while goexit() unwinds the calling fiber.
bool fiber_is_exiting() noexcept;

template <typename Fn>
void check_not_nil([[maybe_unused]] const Fn& fn) {
  // What can be made from nullptr can be null: pointers and std::function, but no lambda.
  if constexpr (std::is_constructible_v<Fn, std::nullptr_t>) {
    if (fn == nullptr) panic_nil_function();
  }
}

/// fn(args...) with decayed copies, as one callable.
template <typename Fn, typename... Args>
auto bind_call(Fn&& fn, Args&&... args) {
  if constexpr (sizeof...(Args) == 0) {
    return std::decay_t<Fn>(std::forward<Fn>(fn));
  } else {
    return [fn = std::decay_t<Fn>(std::forward<Fn>(fn)),
            args = std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)]() mutable {
      return std::apply(
          [&fn](auto&... each) { return std::invoke(std::move(fn), std::move(each)...); }, args);
    };
  }
}

template <typename Fn, typename... Args>
concept spawnable = std::invocable<std::decay_t<Fn>, std::decay_t<Args>...>;


template <typename T>
std::chrono::nanoseconds to_nanoseconds(T duration) noexcept {
  using limits = std::numeric_limits<std::chrono::nanoseconds::rep>;
  // Saturates instead of overflowing: hours::max() is a very long time, not a negative one.
  const auto seconds = std::chrono::duration<long double>(duration).count();
  if (seconds >= static_cast<long double>(limits::max()) / 1e9L) return std::chrono::nanoseconds::max();
  if (seconds <= static_cast<long double>(limits::min()) / 1e9L) return std::chrono::nanoseconds::min();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration);
}

void sleep_until_time(std::chrono::steady_clock::time_point deadline) noexcept;
void sleep_for_nanoseconds(std::chrono::nanoseconds duration) noexcept;

}  // namespace detail

/// Go's go statement: runs fn(args...) in a new fiber. The arguments are copied or moved into the fiber (use
/// std::ref to share) before go() returns; what fn returns is dropped. Never blocks; usable from
/// fibers, and from plain threads while run() runs.
///
/// What the caller did before go() is visible to the fiber. An exception that leaves fn ends the process
/// with status 2, after the fiber's destructors have run.
/// Panics: "go of nil func value" for a null function pointer or empty std::function; a stack_size outside
/// its limits; no runtime runs. Allocates only when the closure is larger than 96 bytes.
/// Source: The Go Programming Language Specification, "Go statements".
template <typename Fn, typename... Args>
  requires detail::spawnable<Fn, Args...>
[[gnu::always_inline]] inline void go(const go_options& wanted, Fn&& fn, Args&&... args) {
  detail::check_not_nil(fn);
  detail::prepared_fiber prepared(wanted, __builtin_return_address(0));
  prepared.body().emplace(detail::bind_call(std::forward<Fn>(fn), std::forward<Args>(args)...));
  prepared.start();
}

template <typename Fn, typename... Args>
  requires(detail::spawnable<Fn, Args...> && !std::same_as<std::remove_cvref_t<Fn>, go_options>)
[[gnu::always_inline]] inline void go(Fn&& fn, Args&&... args) {
  go(go_options{}, std::forward<Fn>(fn), std::forward<Args>(args)...);
}

/// Lets other runnable fibers run: the caller goes behind them (Go's runtime.Gosched). On a plain thread:
/// std::this_thread::yield(). Not a blocking call.
void yield() noexcept;

/// Blocks only the fiber (or the plain thread). Never shorter than asked; a duration that is not
/// positive returns at once, the longest ones never end. Source: Go's time.Sleep.
template <typename Rep, typename Period>
void sleep_for(std::chrono::duration<Rep, Period> duration) {
  detail::sleep_for_nanoseconds(detail::to_nanoseconds(duration));
}

/// As sleep_for, until a point of the steady clock.
inline void sleep_until(std::chrono::steady_clock::time_point deadline) {
  detail::sleep_until_time(deadline);
}

/// Ends the calling fiber after running the destructors of its frames (Go's runtime.Goexit). It unwinds
/// with an exception that is no std::exception; a `catch (...)` must rethrow it, swallowing it is
/// fatal. In the main fiber, run() goes on until no fiber is left, which then is fatal.
/// Panics on a plain thread.
[[noreturn]] void goexit();

namespace this_fiber {

/// A number no other fiber of this process has had. The main fiber's first run has 1. Plain threads: 0.
std::uint64_t id() noexcept;
/// The name given to go(), or "". Valid while the fiber lives.
std::string_view name() noexcept;

}  // namespace this_fiber
}  // namespace ringo
