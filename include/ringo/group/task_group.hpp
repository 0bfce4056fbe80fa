#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <exception>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <ringo/context.hpp>
#include <ringo/go.hpp>
#include <ringo/sync/semaphore.hpp>
#include <ringo/sync/wait_group.hpp>

namespace ringo {
namespace detail {

template <typename Fn>
concept group_function = spawnable<Fn> &&
    (std::is_void_v<std::invoke_result_t<std::decay_t<Fn>&>> ||
     std::convertible_to<std::invoke_result_t<std::decay_t<Fn>&>, std::error_code>);

}  // namespace detail

/// Functions that work on one thing, each in a fiber of its own: the first that fails cancels the
/// others, and wait() tells why. Go's errgroup.Group.
///
/// @snippet tests/docs/guide_test.cpp task_group
///
/// Nothing is interrupted: the functions are to look at ctx(), which is done after the first
/// failure. A failure is an error code that is not empty, or an exception; the first to happen
/// counts, later ones are dropped.
///
/// Thread-safe, but for the destructor and set_limit(). go() needs a runtime; the rest works from
/// plain threads too. What the functions did is visible after wait().
/// Source: golang.org/x/sync/errgroup, but for exceptions, and for the destructor.
class task_group {
 public:
  /// ctx() is derived from background(). Allocates the context.
  task_group() : task_group(background()) {}
  /// ctx() is derived from `parent`: done when that is. Panics "cannot create context from nil
  /// parent".
  explicit task_group(const context& parent);
  task_group(const task_group&) = delete;
  task_group& operator=(const task_group&) = delete;
  /// Cancels ctx(), and waits until all functions have returned. Blocks only the fiber (or the
  /// plain thread). What they return or throw and wait() has not told is dropped.
  ~task_group();

  /// What the functions are to look at: done after the first failure, or when wait() is about to
  /// return, at latest. cause() of it is the first error; errc::canceled if that was an exception
  /// or there was none. Valid as long as the group; a copy for longer.
  const context& ctx() const noexcept { return ctx_; }

  /// Runs fn in a new fiber. fn returns nothing, or a std::error_code; goexit() in it counts as
  /// success. Blocks only the fiber (or the plain thread), while as many functions are active as
  /// set_limit() allows: a function of the group that calls it may wait for itself, for ever.
  /// Panics and allocates as ringo::go(); nothing is counted then.
  template <detail::group_function Fn>
  void go(Fn&& fn) {
    detail::check_not_nil(fn);
    if (limit_) limit_->acquire();
    start(std::forward<Fn>(fn));
  }
  /// The same, but gives up with ctx.err() when that context is done before there is room, and at
  /// once if it is done on entry; fn then does not run. It need not be the context of the group.
  template <detail::group_function Fn>
  [[nodiscard]] std::error_code go(const context& ctx, Fn&& fn) {
    detail::check_not_nil(fn);
    if (const auto done = ctx.err()) return done;
    if (limit_) {
      if (const auto given_up = limit_->acquire(ctx)) return given_up;
    }
    start(std::forward<Fn>(fn));
    return {};
  }
  /// go() if there is room; false: there is none, and fn was not moved from. Never blocks.
  template <detail::group_function Fn>
  [[nodiscard]] bool try_go(Fn&& fn) {
    detail::check_not_nil(fn);
    if (limit_ && !limit_->try_acquire()) return false;
    start(std::forward<Fn>(fn));
    return true;
  }

  /// How many functions may be active at a time: -1 (any negative) any number, as at the beginning;
  /// 0 none, so that go() blocks for ever. Panics, and changes nothing: "task_group: set_limit
  /// while functions are active". Not while others call go() or try_go(). Never blocks.
  void set_limit(std::ptrdiff_t n);

  /// Waits until all functions have returned, cancels ctx(), and tells the first failure: returns
  /// the error code, empty for none, or rethrows the exception. Blocks only the fiber (or the plain
  /// thread). May be called again, and tells the same. Allocates nothing.
  [[nodiscard]] std::error_code wait();
  /// The same, but gives up with ctx.err() when that context is done, and at once if it is done on
  /// entry. The functions go on then, and wait() may be called again.
  [[nodiscard]] std::error_code wait(const context& ctx);

 private:
  context ctx_;                   // immutable
  cancel_cause_function cancel_;  // immutable
  wait_group running_;
  std::optional<semaphore> limit_;         // changed while no function is active
  std::atomic<std::ptrdiff_t> active_{0};  // atomic: as `running_`, for set_limit()
  std::atomic<bool> failed_{false};        // atomic: who sets it writes the next two
  std::error_code error_;                  // read after running_.wait()
  std::exception_ptr thrown_;              // as error_

  explicit task_group(cancellable_cause_context made) noexcept;

  /// There is room.
  template <typename Fn>
  void start(Fn&& fn) {
    begin();
    try {
      ringo::go([this, fn = std::optional<std::decay_t<Fn>>(std::forward<Fn>(fn))]() mutable {
        try {
          if constexpr (std::is_void_v<std::invoke_result_t<std::decay_t<Fn>&>>) {
            (*fn)();
          } else {
            const std::error_code error = (*fn)();
            if (error) fail(error, nullptr);
          }
        } catch (...) {
          if (detail::fiber_is_exiting()) {
            fn.reset();
            end();
            throw;
          }
          fail({}, std::current_exception());
        }
        fn.reset();  // what it owns is gone when wait() returns
        end();
      });
    } catch (...) {
      end();
      throw;
    }
  }

  void begin();
  void fail(std::error_code error, std::exception_ptr thrown) noexcept;
  /// The last touch of a function.
  void end() noexcept;
  std::error_code tell();
};

}  // namespace ringo
