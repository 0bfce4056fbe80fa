#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <ringo/chan.hpp>
#include <ringo/detail/cancellable.hpp>
#include <ringo/detail/config.hpp>
#include <ringo/detail/counted.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>

namespace ringo {

template <typename T>
class context_key;

namespace detail {

struct context_node;
struct after_func_state;

void retain(context_node& node) noexcept;
void release(context_node& node) noexcept;
void retain(after_func_state& state) noexcept;
void release(after_func_state& state) noexcept;

/// The value of one layer.
struct context_value {
  context_value() = default;
  context_value(const context_value&) = delete;
  context_value& operator=(const context_value&) = delete;
  virtual ~context_value() = default;
};
template <typename T>
struct typed_context_value final : context_value {
  T value;
  explicit typed_context_value(T&& from) : value(std::move(from)) {}
};

/// What after_func() runs.
struct deferred_call {
  deferred_call() = default;
  deferred_call(const deferred_call&) = delete;
  deferred_call& operator=(const deferred_call&) = delete;
  virtual ~deferred_call() = default;
  virtual void run() = 0;
};
template <typename Fn>
struct typed_deferred_call final : deferred_call {
  Fn fn;
  explicit typed_deferred_call(Fn&& from) : fn(std::move(from)) {}
  void run() override { fn(); }
};

}  // namespace detail

/// What a computation may use: until when, whether it is still wanted, and values that go with it.
/// Go's Context: passed first, never stored in structures, made by the functions below. A cheap
/// handle: copies mean the same context; a default-constructed (or moved-from) one is nil.
///
/// Members and free functions are thread-safe, but for assigning to one handle while another thread
/// uses that same handle; they work from fibers and plain threads, before and after run() too, and
/// never block. On a nil context they panic "nil context", and as a parent it panics "cannot create
/// context from nil parent". Blocking calls with a leading context give up with its err().
///
/// A context that is not cancelled ends with its last handle: the context itself, its cancel
/// function, its done() channel, a context derived from it, an after_func() that has not run. It
/// leaves its parent then, and its timer is stopped.
/// Source: Go's package context.
class context {
 public:
  /// Nil.
  context() = default;

  /// False: nil.
  explicit operator bool() const noexcept { return node_.get() != nullptr; }

  /// A channel that is closed when the context is done; the same one each time. The nil channel for
  /// a context that never is. O(1); the first call for a context allocates it.
  [[nodiscard]] recv_chan<void> done() const;

  /// Empty while alive; then for ever errc::canceled or errc::deadline_exceeded. Not empty exactly
  /// when done() is closed. O(1).
  [[nodiscard]] std::error_code err() const;

  /// When the context will be done by itself, if no parent is earlier done; empty: never. O(1).
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> deadline() const;

  /// The value of the nearest with_value() with this key, or null. Valid as long as this context.
  /// O(contexts above).
  template <typename T>
  [[nodiscard]] const T* value(const context_key<T>& key) const {
    const detail::context_value* found = lookup(&key);
    if (found == nullptr) return nullptr;
    return &static_cast<const detail::typed_context_value<T>*>(found)->value;
  }

  /// Identity.
  friend bool operator==(const context& a, const context& b) noexcept {
    return a.node_.get() == b.node_.get();
  }

 private:
  detail::counted<detail::context_node> node_;

  explicit context(detail::counted<detail::context_node> node) noexcept : node_(std::move(node)) {}
  const detail::context_value* lookup(const void* key) const;

  friend struct detail::context_node;
};

/// Names a value of type T in contexts, by its own identity; it must outlive them. So it is mostly
/// a constant:
///     inline constexpr ringo::context_key<std::string> request_id;
template <typename T>
class context_key {
 public:
  constexpr context_key() noexcept = default;
  context_key(const context_key&) = delete;
  context_key& operator=(const context_key&) = delete;

 private:
  char identity_ = 0;  // two objects never share an address
};

/// Cancels one context and all that are derived from it: when it returns, all of them are done, and
/// whoever waited for one of them is ready to run. Only the first call has an effect; a nil one has
/// none. A copyable handle, which keeps the context. Does not wait for the work to stop, never
/// blocks. Thread-safe. O(contexts below and their waiters), allocates nothing but for the fibers
/// of after_func(). Source: Go's context.CancelFunc.
class cancel_function {
 public:
  cancel_function() = default;
  void operator()() const;

 private:
  detail::counted<detail::context_node> node_;
  explicit cancel_function(detail::counted<detail::context_node> node) noexcept
      : node_(std::move(node)) {}
  friend struct detail::context_node;
};

/// The same with a cause, which cause() tells; empty means errc::canceled. err() is errc::canceled
/// whatever the cause.
/// Source: Go's context.CancelCauseFunc.
class cancel_cause_function {
 public:
  cancel_cause_function() = default;
  void operator()(std::error_code cause = {}) const;

 private:
  detail::counted<detail::context_node> node_;
  explicit cancel_cause_function(detail::counted<detail::context_node> node) noexcept
      : node_(std::move(node)) {}
  friend struct detail::context_node;
};

/// Cancels at the end of the scope: `cancel_guard guard(cancel);`
template <typename Cancel>
class [[nodiscard]] cancel_guard {
 public:
  explicit cancel_guard(Cancel cancel) noexcept : cancel_(std::move(cancel)) {}
  cancel_guard(const cancel_guard&) = delete;
  cancel_guard& operator=(const cancel_guard&) = delete;
  ~cancel_guard() { cancel_(); }

 private:
  Cancel cancel_;
};

/// What with_cancel() and its like return: `auto [ctx, cancel] = ringo::with_cancel(parent);`
struct [[nodiscard]] cancellable_context {
  context ctx;
  cancel_function cancel;
};
struct [[nodiscard]] cancellable_cause_context {
  context ctx;
  cancel_cause_function cancel;
};

namespace detail {

cancellable_context make_deadline(const ringo::context& parent,
                                  std::chrono::steady_clock::time_point deadline,
                                  std::error_code cause);
cancellable_context make_timeout(const ringo::context& parent,
                                 std::chrono::nanoseconds timeout,
                                 std::error_code cause);
ringo::context make_value(const ringo::context& parent,
                          const void* key,
                          std::unique_ptr<context_value> value);

}  // namespace detail

/// The root of every tree: never done, no deadline, no values. O(1), allocates nothing.
context background() noexcept;

/// A child that is done when `cancel` is called or when the parent is done, whichever comes first;
/// at once, with the parent's err() and cause(), if that is done already. Panics "cannot create
/// context from nil parent". One allocation; O(1).
cancellable_context with_cancel(const context& parent);
/// The same; `cancel` takes a cause.
cancellable_cause_context with_cancel_cause(const context& parent);

/// As with_cancel(), and done with errc::deadline_exceeded at `deadline`; at once if that has
/// passed. A parent's deadline that is earlier wins, and it is with_cancel() then. Timers fire only
/// while a runtime runs. O(log timers).
inline cancellable_context with_deadline(const context& parent,
                                         std::chrono::steady_clock::time_point deadline) {
  return detail::make_deadline(parent, deadline, {});
}
/// The same; `cause` is what cause() tells if this deadline ended it, empty:
/// errc::deadline_exceeded.
inline cancellable_context with_deadline_cause(const context& parent,
                                               std::chrono::steady_clock::time_point deadline,
                                               std::error_code cause) {
  return detail::make_deadline(parent, deadline, cause);
}
/// with_deadline() at `timeout` from now, any std::chrono duration; nanoseconds::max() is never.
template <typename Rep, typename Period>
cancellable_context with_timeout(const context& parent,
                                 std::chrono::duration<Rep, Period> timeout) {
  return detail::make_timeout(parent, detail::to_nanoseconds(timeout), {});
}
/// The same with a cause, as with_deadline_cause().
template <typename Rep, typename Period>
cancellable_context with_timeout_cause(const context& parent,
                                       std::chrono::duration<Rep, Period> timeout,
                                       std::error_code cause) {
  return detail::make_timeout(parent, detail::to_nanoseconds(timeout), cause);
}

/// A child that has a value for `key` and is its parent otherwise; it hides a value that the parent
/// has for that key. Panics "cannot create context from nil parent". Two allocations; O(1).
template <typename T>
[[nodiscard]] context with_value(const context& parent,
                                 const context_key<T>& key,
                                 std::type_identity_t<T> value) {
  return detail::make_value(
      parent, &key, std::make_unique<detail::typed_context_value<T>>(std::move(value)));
}

/// A child that has the parent's values and nothing else: never done, no deadline. Panics "cannot
/// create context from nil parent". One allocation; O(1).
[[nodiscard]] context without_cancel(const context& parent);

/// What is behind err(): empty while alive, the cause that ended this context or the one above that
/// took it along, or err() itself when none was given. The first one stays. O(1).
/// Source: Go's context.Cause.
[[nodiscard]] std::error_code cause(const context& ctx);

/// Takes back an after_func(): true if it will never run, false if it was started or taken back
/// before; does not wait for it. A copyable handle; dropping it changes nothing. Thread-safe.
class stop_function {
 public:
  stop_function() = default;
  bool operator()() const;

 private:
  detail::counted<detail::after_func_state> state_;
  explicit stop_function(detail::counted<detail::after_func_state> state) noexcept
      : state_(std::move(state)) {}
  friend struct detail::after_func_state;
};

namespace detail {

stop_function start_after(const ringo::context& ctx,
                          std::unique_ptr<deferred_call> call,
                          const void* site);

}  // namespace detail

/// Runs fn once in a fiber of its own after ctx is done, at once if it is. Nobody waits for it. The
/// rules of go() hold for what fn throws. If no runtime runs when ctx is done, it runs at the
/// beginning of the next run(), as a timer that came due would; without one, never.
///
/// It keeps ctx until it has run or is taken back, and the stop function does too. So fn and ctx
/// stay for ever if neither comes: when ctx has no deadline and no parent that ends, and the last
/// cancel function is dropped uncalled. A cancel_guard prevents that.
/// Never blocks. Panics "nil context", "go of nil func value". Two allocations; O(1). Source: Go's
/// context.AfterFunc.
template <typename Fn>
requires detail::spawnable<Fn>
[[gnu::always_inline]] inline stop_function after_func(const context& ctx, Fn&& fn) {
  detail::check_not_nil(fn);
  return detail::start_after(ctx,
                             std::make_unique<detail::typed_deferred_call<std::decay_t<Fn>>>(
                                 std::decay_t<Fn>(std::forward<Fn>(fn))),
                             detail::code_here());
}

}  // namespace ringo
