#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

#include <ringo/detail/cancellable.hpp>
#include <ringo/detail/closure.hpp>
#include <ringo/detail/config.hpp>

namespace ringo {

/// For go() and spawn().
///
/// @snippet tests/docs/guide_test.cpp stack_size
struct go_options {
  std::string_view name = {};  ///< shown in reports; copied
  /// Bytes; 0: options::stack_size of the run. Rounded up to a power of two; less than 32 KiB or
  /// more than 1 GiB panics "go: stack_size out of range".
  std::size_t stack_size = 0;
};

namespace detail {

class bubble;
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
  /// Instead of the spawner's bubble; null: none.
  void join(bubble* group) noexcept { group_ = group; }
  const bubble* group() const noexcept { return group_; }
  void start() noexcept;
  /// The same, but the caller queues the fiber.
  fiber* start_unqueued() noexcept;

 private:
  fiber* fiber_;
  closure* body_;
  bubble* group_;

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
  if (seconds >= static_cast<long double>(limits::max()) / 1e9L)
    return std::chrono::nanoseconds::max();
  if (seconds <= static_cast<long double>(limits::min()) / 1e9L)
    return std::chrono::nanoseconds::min();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration);
}

void sleep_until_time(std::chrono::steady_clock::time_point deadline) noexcept;
void sleep_for_nanoseconds(std::chrono::nanoseconds duration) noexcept;
std::error_code sleep_until_time(cancellation* stop,
                                 std::chrono::steady_clock::time_point deadline) noexcept;
std::error_code sleep_for_nanoseconds(cancellation* stop,
                                      std::chrono::nanoseconds duration) noexcept;

}  // namespace detail

/// Go's go statement: runs fn(args...) in a new fiber. The arguments are copied or moved into the
/// fiber (use std::ref to share) before go() returns; what fn returns is dropped. Never blocks;
/// usable from fibers, and from plain threads while run() runs.
///
/// The new fiber runs next on this worker once the caller waits; another may take it earlier. There
/// is no order among fibers. An exception that leaves fn ends the process with status 2, after the
/// fiber's destructors have run.
/// What copying the arguments throws, and std::bad_alloc, reach the caller; no fiber starts then.
/// Panics: "go of nil func value" (a null function pointer or empty std::function); "go: stack_size
/// out of range"; "go: no runtime is running". Fatal: "ringo used in the child of a fork".
/// Thread-safe. What the caller did before go() is visible to the fiber. O(1); allocates for a
/// name, for a closure over 96 bytes, and now and then a batch of control blocks.
/// Source: The Go Programming Language Specification, "Go statements".
template <typename Fn, typename... Args>
requires detail::spawnable<Fn, Args...>
[[gnu::always_inline]] inline void go(const go_options& wanted, Fn&& fn, Args&&... args) {
  detail::check_not_nil(fn);
  detail::prepared_fiber prepared(wanted, detail::code_here());
  prepared.body().emplace(detail::bind_call(std::forward<Fn>(fn), std::forward<Args>(args)...));
  prepared.start();
}

/// The same with default options.
template <typename Fn, typename... Args>
requires(detail::spawnable<Fn, Args...> && !std::same_as<std::remove_cvref_t<Fn>, go_options>)
    [[gnu::always_inline]] inline void go(Fn&& fn, Args&&... args) {
  go(go_options{}, std::forward<Fn>(fn), std::forward<Args>(args)...);
}

/// Lets other runnable fibers run: the caller stays runnable and goes behind them, perhaps to
/// another thread. On a plain thread: std::this_thread::yield(). Thread-safe. O(1), allocates
/// nothing.
/// Source: Go's runtime.Gosched.
void yield() noexcept;

/// Sleeps for `duration`, in whole nanoseconds. Blocks only the fiber (or the plain thread). Never
/// shorter than that; a duration that is not positive returns at once, the longest ones never end.
/// Thread-safe. O(log timers); may allocate room for the timer, and running out of memory then ends
/// the process.
/// Source: Go's time.Sleep.
template <typename Rep, typename Period>
void sleep_for(std::chrono::duration<Rep, Period> duration) {
  detail::sleep_for_nanoseconds(detail::to_nanoseconds(duration));
}

/// As sleep_for(), until a point of the steady clock. For a point that has passed a fiber still
/// goes behind the other runnable ones, and a plain thread returns at once.
inline void sleep_until(std::chrono::steady_clock::time_point deadline) {
  detail::sleep_until_time(deadline);
}

/// As sleep_for(duration), but gives up with ctx.err() when the context is done; at once if it is
/// done on entry. Empty: the whole time has passed. On a plain thread the timer is that of the
/// runtime, so one must run. Panics "nil context".
template <typename Rep, typename Period>
[[nodiscard]] std::error_code sleep_for(const context& ctx,
                                        std::chrono::duration<Rep, Period> duration) {
  return detail::sleep_for_nanoseconds(detail::cancellation_of(ctx),
                                       detail::to_nanoseconds(duration));
}

/// As sleep_until(deadline), but gives up as sleep_for(ctx, duration) does.
[[nodiscard]] inline std::error_code sleep_until(const context& ctx,
                                                 std::chrono::steady_clock::time_point deadline) {
  return detail::sleep_until_time(detail::cancellation_of(ctx), deadline);
}

/// Ends the calling fiber after running the destructors of its frames. It unwinds with an exception
/// that is no std::exception; a `catch (...)` must rethrow it.
///
/// @snippet tests/docs/guide_test.cpp goexit
///
/// In the main fiber, run() goes on until no fiber is left; that is then fatal: "no fibers (main
/// called goexit) - deadlock!". Fatal too: "goexit was swallowed by a catch (...) that did not
/// rethrow". In a handler it takes the place of the exception that is being handled. In a
/// destructor it ends the process by std::terminate(), as any exception that leaves one. Panics:
/// "goexit on a thread that is no fiber". Source: Go's runtime.Goexit.
[[noreturn]] void goexit();

namespace this_fiber {

/// A number no other fiber of this process has had; the main fiber of the first run() has 1. 0 on
/// plain threads.
std::uint64_t id() noexcept;
/// The name given to go() or spawn(); the main fiber's is "main". Valid while the fiber lives. ""
/// for one without a name, and on plain threads.
std::string_view name() noexcept;

}  // namespace this_fiber
}  // namespace ringo
