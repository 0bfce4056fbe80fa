#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/detail/select_core.hpp>

namespace ringo {
namespace detail {

struct no_handler {};

/// How a case holds its channel: a channel that outlives the statement by pointer, a temporary one
/// by handle.
template <typename Channel>
using held_channel =
    std::conditional_t<std::is_lvalue_reference_v<Channel>, chan_core*, chan_handle>;

inline chan_core* core_of(chan_core* core) noexcept {
  return core;
}
inline chan_core* core_of(const chan_handle& handle) noexcept {
  return handle.core();
}
inline chan_handle handle_of(chan_core* core) noexcept {
  if (core != nullptr) core->add_handle();
  return chan_handle(core);
}
inline chan_handle handle_of(const chan_handle& handle) noexcept {
  return handle;
}

template <typename Channel>
held_channel<Channel&&> hold(Channel&& channel) noexcept {
  if constexpr (std::is_lvalue_reference_v<Channel&&>) {
    return channel.core();
  } else {
    return chan_handle(std::forward<Channel>(channel));
  }
}

template <typename Channel>
concept receivable = requires(const std::remove_cvref_t<Channel>& c) {
  c.try_recv();
};
template <typename Channel>
concept sendable = requires(const std::remove_cvref_t<Channel>& c) {
  c.close();
};
template <typename Channel>
using element_of = typename std::remove_cvref_t<Channel>::value_type;

/// A receive case. `Sink` takes the value: a pointer to the destination, a handler, or no_handler.
template <typename T, typename Held, typename Sink>
class recv_case {
 public:
  static constexpr bool is_otherwise = false;

  recv_case(Held channel, Sink sink) : channel_(std::move(channel)), sink_(std::move(sink)) {}

  select_op op() noexcept { return {core_of(channel_), room(), false, false}; }

  /// The case ran.
  void complete(bool ok) {
    if constexpr (std::is_void_v<T>) {
      finish(ok);
    } else {
      std::optional<T> value;
      if (ok) take_from(slot_, value);
      finish(value);
    }
  }

  /// The same case with a handle of its own, to be kept.
  auto owned() && { return recv_case<T, chan_handle, Sink>(handle_of(channel_), std::move(sink_)); }

 private:
  struct no_slot {};
  Held channel_;
  Sink sink_;
  [[no_unique_address]] std::conditional_t<
      std::is_void_v<T>,
      no_slot,
      element_slot<std::conditional_t<std::is_void_v<T>, char, T>>>
      slot_;

  void* room() noexcept {
    if constexpr (std::is_void_v<T>) {
      return nullptr;
    } else {
      return slot_.room();
    }
  }

  template <typename Value>
  void finish(Value& value) {
    if constexpr (std::is_pointer_v<Sink>) {
      *sink_ = std::move(value);
    } else if constexpr (std::is_same_v<Sink, no_handler>) {
      // The value is dropped.
    } else if constexpr (std::invocable<Sink&, Value>) {
      std::invoke(sink_, std::move(value));
    } else {
      std::invoke(sink_);
    }
  }
};

/// A send case. `Value` is T (an own copy) or T* (the caller's rvalue, moved from only if the case
/// runs).
template <typename T, typename Held, typename Value, typename Handler>
class send_case {
 public:
  static constexpr bool is_otherwise = false;
  static constexpr bool borrows = std::is_pointer_v<Value> && !std::is_same_v<Value, T>;

  send_case(Held channel, Value value, Handler handler)
      : channel_(std::move(channel)), value_(std::move(value)), handler_(std::move(handler)) {}

  select_op op() noexcept { return {core_of(channel_), address(), true, false}; }

  void complete(bool ok) {
    if (!ok) panic_send_on_closed();
    if constexpr (!std::is_same_v<Handler, no_handler>) std::invoke(handler_);
  }

  auto owned() && {
    using stored = std::conditional_t<std::is_void_v<T>, char, T>;
    return send_case<T, chan_handle, stored, Handler>(
        handle_of(channel_), std::move(*static_cast<stored*>(address())), std::move(handler_));
  }

 private:
  Held channel_;
  Value value_;
  Handler handler_;

  void* address() noexcept {
    if constexpr (borrows) {
      return value_;
    } else {
      return &value_;
    }
  }
};

/// Go's default.
template <typename Handler>
class otherwise_case {
 public:
  static constexpr bool is_otherwise = true;
  explicit constexpr otherwise_case(Handler handler) : handler_(std::move(handler)) {}
  void complete(bool /*ok*/) const {
    if constexpr (!std::is_same_v<Handler, no_handler>) std::invoke(handler_);
  }
  auto owned() && { return otherwise_case(std::move(*this)); }
  select_op op() const noexcept { return {}; }

 private:
  mutable Handler handler_;
};

template <typename Case>
concept is_case = requires {
  { std::remove_cvref_t<Case>::is_otherwise } -> std::convertible_to<bool>;
};

/// What select does with a case; a select_case lets nobody else do it.
struct select_access {
  template <typename Case>
  static select_op op(Case& from) noexcept {
    return from.op();
  }
  /// The case ran.
  template <typename Case>
  static void complete(Case& ran, bool ok) {
    ran.complete(ok);
  }
  template <typename Case>
  static bool is_default(const Case& one) noexcept {
    return one.is_default();
  }
};

}  // namespace detail

/// One case of a select whose cases are known only at run time; from recv(), send() or otherwise.
/// Owns its value and a handle of its channel; the destination of a receive must outlive the
/// select. Movable; one that was moved from may only be destroyed or assigned to. Good for one
/// select.
class select_case {
 public:
  static constexpr bool is_otherwise = false;  // as far as the type tells; see is_default()

  /// Takes the case over, and what it borrows. One allocation.
  template <detail::is_case Case>
  requires(!std::is_same_v<std::remove_cvref_t<Case>, select_case>)
      // NOLINTNEXTLINE(google-explicit-constructor): the conversion is the point
      select_case(Case&& from)
      : model_(make(std::forward<Case>(from))) {}

 private:
  struct interface {
    explicit interface(bool fallback) : is_default(fallback) {}
    interface(const interface&) = delete;
    interface& operator=(const interface&) = delete;
    virtual ~interface() = default;
    virtual detail::select_op op() noexcept = 0;
    virtual void complete(bool ok) = 0;
    const bool is_default;
  };
  template <typename Case>
  struct model final : interface {
    explicit model(Case c) : interface(Case::is_otherwise), held(std::move(c)) {}
    detail::select_op op() noexcept override { return held.op(); }
    void complete(bool ok) override { held.complete(ok); }
    Case held;
  };
  std::unique_ptr<interface> model_;

  detail::select_op op() noexcept { return model_->op(); }
  void complete(bool ok) { model_->complete(ok); }
  bool is_default() const noexcept { return model_->is_default; }

  friend struct detail::select_access;

  template <typename Case>
  static std::unique_ptr<interface> make(Case&& from) {
    std::remove_cvref_t<Case> own(std::forward<Case>(from));
    auto kept = std::move(own).owned();
    return std::make_unique<model<decltype(kept)>>(std::move(kept));
  }
};

/// A receive case whose value goes to `into` (empty: the channel is closed and drained). `into` is
/// touched only if this case runs. This and the other cases do nothing by themselves: see select().
template <detail::receivable Channel, typename T>
requires std::is_same_v<T, detail::element_of<Channel>>
auto recv(Channel&& channel, std::optional<T>& into) {
  return detail::recv_case<T, detail::held_channel<Channel&&>, std::optional<T>*>(
      detail::hold(std::forward<Channel>(channel)), &into);
}

/// For chan<void>: `ok` is false if the channel is closed and drained.
template <detail::receivable Channel>
requires std::is_void_v<detail::element_of<Channel>>
auto recv(Channel&& channel, bool& ok) {
  return detail::recv_case<void, detail::held_channel<Channel&&>, bool*>(
      detail::hold(std::forward<Channel>(channel)), &ok);
}

/// A receive case whose value is dropped.
template <detail::receivable Channel>
auto recv(Channel&& channel) {
  return detail::recv_case<detail::element_of<Channel>,
                           detail::held_channel<Channel&&>,
                           detail::no_handler>(detail::hold(std::forward<Channel>(channel)), {});
}

/// A receive case that calls `handler(std::optional<T>)`; for chan<void> `handler(bool)` or
/// `handler()`.
template <detail::receivable Channel, typename Handler>
requires(
    std::invocable<std::decay_t<Handler>&,
                   std::optional<std::conditional_t<std::is_void_v<detail::element_of<Channel>>,
                                                    char,
                                                    detail::element_of<Channel>>>> ||
    (std::is_void_v<detail::element_of<Channel>> &&
     (std::invocable<std::decay_t<Handler>&, bool> ||
      std::invocable<std::decay_t<Handler>&>))) auto recv(Channel&& channel, Handler&& handler) {
  return detail::recv_case<detail::element_of<Channel>,
                           detail::held_channel<Channel&&>,
                           std::decay_t<Handler>>(detail::hold(std::forward<Channel>(channel)),
                                                  std::forward<Handler>(handler));
}

namespace detail {

template <typename Channel, typename Value, typename Handler>
auto make_send_case(Channel&& channel, Value&& value, Handler handler) {
  using T = element_of<Channel>;
  if constexpr (std::is_same_v<Value&&, T&&>) {
    return send_case<T, held_channel<Channel&&>, T*, Handler>(
        hold(std::forward<Channel>(channel)), &value, std::move(handler));
  } else {
    return send_case<T, held_channel<Channel&&>, T, Handler>(
        hold(std::forward<Channel>(channel)), T(std::forward<Value>(value)), std::move(handler));
  }
}

}  // namespace detail

/// A send case. An lvalue is copied now; an rvalue of the element's type is moved from only if this
/// case runs.
template <detail::sendable Channel, typename Value>
requires std::constructible_from<detail::element_of<Channel>, Value &&> auto send(Channel&& channel,
                                                                                  Value&& value) {
  return detail::make_send_case(
      std::forward<Channel>(channel), std::forward<Value>(value), detail::no_handler{});
}

/// The same with a handler that is called after the value was sent.
template <detail::sendable Channel, typename Value, std::invocable Handler>
requires std::constructible_from<detail::element_of<Channel>, Value &&> auto send(
    Channel&& channel, Value&& value, Handler&& handler) {
  return detail::make_send_case(std::forward<Channel>(channel),
                                std::forward<Value>(value),
                                std::decay_t<Handler>(std::forward<Handler>(handler)));
}

/// A send case for chan<void>.
template <detail::sendable Channel>
requires std::is_void_v<detail::element_of<Channel>>
auto send(Channel&& channel) {
  return detail::send_case<void, detail::held_channel<Channel&&>, char, detail::no_handler>(
      detail::hold(std::forward<Channel>(channel)), 0, {});
}
/// The same with a handler that is called after the signal was sent.
template <detail::sendable Channel, std::invocable Handler>
requires std::is_void_v<detail::element_of<Channel>>
auto send(Channel&& channel, Handler&& handler) {
  return detail::send_case<void, detail::held_channel<Channel&&>, char, std::decay_t<Handler>>(
      detail::hold(std::forward<Channel>(channel)), 0, std::forward<Handler>(handler));
}

namespace detail {

struct otherwise_t : otherwise_case<no_handler> {
  constexpr otherwise_t() : otherwise_case(no_handler{}) {}
  template <std::invocable Handler>
  auto operator()(Handler&& handler) const {
    return otherwise_case<std::decay_t<Handler>>(std::forward<Handler>(handler));
  }
};

/// Calls f with the I-th of the cases, I known at run time only.
template <typename F, typename... Cases>
void with_case(std::size_t index, F&& f, Cases&... cases) {
  std::size_t i = 0;
  static_cast<void>(((i++ == index && (f(cases), true)) || ...));
}

template <typename Case>
constexpr bool is_default_case(const Case& c) noexcept {
  if constexpr (std::is_same_v<Case, select_case>) {
    return select_access::is_default(c);
  } else {
    return Case::is_otherwise;
  }
}

/// `Defaults` of the cases are `otherwise`, as far as their types tell.
template <std::size_t Defaults, typename... Cases>
std::size_t select_listed(Cases&... cases) {
  constexpr std::size_t room = sizeof...(Cases) == Defaults ? 1 : sizeof...(Cases) - Defaults;
  std::array<select_op, room> ops;
  std::array<std::size_t, room> place;  // of each op in the list
  std::size_t fallback = no_case;
  std::size_t used = 0;
  std::size_t i = 0;
  const auto add = [&](auto& c) {
    if (is_default_case(c)) {
      if (fallback != no_case) panic("select: more than one otherwise");
      fallback = i;
    } else {
      ops[used] = select_access::op(c);
      place[used++] = i;
    }
    ++i;
  };
  (add(cases), ...);
  const std::span<select_op> listed(ops.data(), used);
  const std::size_t ran = fallback == no_case ? select_blocking(listed) : select_now(listed);
  const std::size_t chosen = ran == no_case ? fallback : place[ran];
  const bool ok = ran != no_case && ops[ran].ok;
  with_case(
      chosen, [ok](auto& c) { select_access::complete(c, ok); }, cases...);
  return chosen;
}

/// A case that was stored, although it only borrows the value that it is to send.
template <typename Case>
inline constexpr bool is_stored_borrower = [] {
  if constexpr (requires { std::remove_cvref_t<Case>::borrows; }) {
    return std::is_lvalue_reference_v<Case> && std::remove_cvref_t<Case>::borrows;
  } else {
    return false;
  }
}();

}  // namespace detail

/// Go's default: a select with it never blocks. `ringo::otherwise`, or `ringo::otherwise(handler)`.
/// At most one.
///
/// @snippet tests/docs/guide_test.cpp otherwise
inline constexpr detail::otherwise_t otherwise;

/// A select whose cases are known at run time: runs one of `cases` and returns its index. An empty
/// set blocks for ever. The cases are good for one select; a value that was not sent goes with its
/// case. Panics "select: too many cases" (more than 65536), and as the form with a list of cases,
/// which this follows in all else. O(n log n); allocates.
/// Source: Go's reflect.Select.
std::size_t select(std::span<select_case> cases);
/// The same for all of a vector.
inline std::size_t select(std::vector<select_case>& cases) {
  return select(std::span<select_case>(cases));
}

/// Go's select statement: waits until one of the cases can go on, runs it and returns its index.
/// With `otherwise` it never blocks. select() without cases blocks for ever.
///
/// @snippet tests/docs/guide_test.cpp select
///
/// Among cases that can go on the choice is uniformly random, also when the select had to park;
/// there is no priority. A case on a nil channel never can go on; a send case on a closed channel
/// can. Handlers run on the calling fiber after the choice, with no lock held; what they throw
/// leaves select, the communication stays done.
///
/// Blocks only the fiber (or the plain thread). Panics "send on closed channel" when such a case is
/// chosen, and "select: more than one otherwise". Channels given as lvalues, destinations and what
/// handlers refer to must outlive the call. Visibility as for the operation that ran. O(n log n);
/// allocates only for more than 8 cases and for select_cases.
/// Source: The Go Programming Language Specification, "Select statements".
template <typename... Cases>
requires(detail::is_case<Cases>&&...) std::size_t select(Cases&&... cases) {
  constexpr std::size_t defaults =
      (std::size_t{std::remove_cvref_t<Cases>::is_otherwise} + ... + 0);
  static_assert(
      !(detail::is_stored_borrower<Cases&&> || ...),
      "send(ch, temporary) only borrows the value: store the case as a ringo::select_case");
  if constexpr (sizeof...(Cases) == 0) {
    return detail::select_blocking({});
  } else if constexpr (sizeof...(Cases) == 1 && defaults == 1) {
    (detail::select_access::complete(cases, true), ...);
    return 0;
  } else {
    return detail::select_listed<defaults>(cases...);
  }
}

}  // namespace ringo
