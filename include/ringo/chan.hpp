#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <ringo/detail/assert.hpp>
#include <ringo/detail/cancellable.hpp>
#include <ringo/detail/chan_core.hpp>
#include <ringo/detail/chan_handle.hpp>
#include <ringo/error.hpp>
#include <ringo/result.hpp>

namespace ringo {

/// What try_recv() found: a value, nothing for now, or a closed channel. Not thread-safe, as any
/// value.
template <typename T>
class [[nodiscard]] try_recv_result {
 public:
  /// No value.
  explicit try_recv_result(bool closed = false) noexcept : closed_(closed) {}
  /// What was received.
  explicit try_recv_result(std::optional<T>&& value) noexcept : value_(std::move(value)) {}

  /// True: there is a value.
  explicit operator bool() const noexcept { return value_.has_value(); }
  /// The value; only when there is one (asserted in debug builds).
  T& operator*() & noexcept { return get(*this); }
  const T& operator*() const& noexcept { return get(*this); }
  T&& operator*() && noexcept { return std::move(get(*this)); }
  T* operator->() noexcept { return &get(*this); }
  const T* operator->() const noexcept { return &get(*this); }
  /// True: no value, and there will never be one again.
  bool closed() const noexcept { return closed_; }

 private:
  std::optional<T> value_;
  bool closed_ = false;

  template <typename Self>
  static auto& get(Self& self) noexcept {
    RINGO_ASSERT(self.value_.has_value());
    return *self.value_;
  }
};

/// The same for chan<void>, whose signals have no value.
template <>
class [[nodiscard]] try_recv_result<void> {
 public:
  explicit try_recv_result(bool received, bool closed) noexcept
      : received_(received), closed_(closed) {}
  /// True: a signal was received.
  explicit operator bool() const noexcept { return received_; }
  /// True: no signal, and there will never be one again.
  bool closed() const noexcept { return closed_; }

 private:
  bool received_;
  bool closed_;
};

namespace detail {

/// Loop over a channel until it is closed and drained.
template <typename T>
class chan_iterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using iterator_concept = std::input_iterator_tag;
  using value_type = T;
  using difference_type = std::ptrdiff_t;
  using pointer = T*;
  using reference = T&;

  chan_iterator() = default;
  explicit chan_iterator(chan_core* core) : core_(core) { ++*this; }

  T& operator*() const noexcept { return *value_; }
  T* operator->() const noexcept { return &*value_; }
  chan_iterator& operator++() {
    value_.reset();
    receive_into(core_, value_);
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const chan_iterator& i, std::default_sentinel_t /*end*/) noexcept {
    return !i.value_.has_value();
  }

 private:
  chan_core* core_ = nullptr;
  mutable std::optional<T> value_;
};

/// What one may do with a channel, by direction; chan<T> has both halves. `Handle` derives from
/// chan_handle.
template <typename T, typename Handle>
class send_operations {
 public:
  /// Sends one value. Blocks only the fiber (or the plain thread), until a receiver has taken it
  /// or, with a buffer, until there is room for it; for ever on a nil channel.
  /// Panics "send on closed channel", also when it is closed while this waits; the value is lost
  /// then.
  /// What the sender did before is visible to the receiver after its recv(); and on a channel of
  /// capacity C the k-th receive is visible after send k + C. O(1), allocates nothing. T's move
  /// constructor and destructor run under the channel's lock: they must be short, must not throw
  /// (that ends the process) and must not use ringo.
  /// Source: The Go Programming Language Specification, "Send statements".
  void send(T value) const { send_to(target(), &value); }

  /// As send(value), but gives up with ctx.err() when the context is done: nothing was sent then,
  /// and the value is lost. A context that is done on entry wins over a channel that could take the
  /// value; later, a send that has happened wins. Empty: sent. Panics "nil context", and as send().
  /// O(1), allocates nothing.
  [[nodiscard]] std::error_code send(const ringo::context& ctx, T value) const {
    return send_until(ctx, target(), &value);
  }

  /// Sends if that needs no waiting. False: it would block, or the channel is nil; `value` is
  /// untouched. Never blocks. Panics and visibility as send(). O(1), allocates nothing.
  bool try_send(T&& value) const { return try_send_to(target(), &value); }
  /// The same with a copy, made only if a look at the channel says that it could go on. What
  /// copying throws reaches the caller; nothing was sent then.
  bool try_send(const T& value) const requires std::is_copy_constructible_v<T> {
    if (target() == nullptr || target()->send_would_block()) return false;
    T copy(value);
    return try_send_to(target(), &copy);
  }

  /// Ends the stream: receivers get what is buffered and then see the end, at once and for ever.
  /// Parked senders panic. Never blocks. Panics "close of closed channel", "close of nil channel".
  /// What the closer did before is visible to a receiver that sees the end. O(waiters), allocates
  /// nothing; they are woken in batches, so that some may run before the last is woken.
  /// Source: The Go Programming Language Specification, "Close".
  void close() const { close_chan(target()); }

 private:
  chan_core* target() const noexcept { return static_cast<const Handle*>(this)->core(); }
};

template <typename T, typename Handle>
class recv_operations {
 public:
  /// Receives one value; empty: closed and drained. Blocks only the fiber (or the plain thread),
  /// until there is either; for ever on a nil channel. What the sender did before its send() is
  /// visible afterwards, and what the closer did, when this returns empty. O(1), allocates nothing.
  /// Source: The Go Programming Language Specification, "Receive operator".
  std::optional<T> recv() const {
    std::optional<T> value;
    receive_into(target(), value);
    return value;
  }

  /// As recv(), but gives up with ctx.err() when the context is done; errc::closed: closed and
  /// drained. A context that is done on entry wins over a value; later, a value that has arrived
  /// wins, and none is ever lost. Panics "nil context". O(1), allocates nothing.
  result<T> recv(const ringo::context& ctx) const {
    element_slot<T> slot;
    if (const auto error = recv_unless(cancellation_of(ctx), target(), slot.room())) return error;
    std::optional<T> value;
    take_from(slot, value);
    return result<T>(*std::move(value));
  }

  /// Receives if that needs no waiting; try_recv_result::closed() tells the end. Never blocks;
  /// finds nothing on a nil channel. Visibility as recv(). O(1), allocates nothing.
  try_recv_result<T> try_recv() const {
    if (target() == nullptr) return try_recv_result<T>();
    element_slot<T> slot;
    const chan_status status = target()->try_recv(slot.room());
    if (status != chan_status::done) return try_recv_result<T>(status == chan_status::closed);
    std::optional<T> value;
    take_from(slot, value);
    return try_recv_result<T>(std::move(value));
  }

  /// For a range-based for: each received value, until closed and drained. The values may be moved
  /// from. A single pass: begin() and each ++ take one value. Blocks as recv().
  chan_iterator<T> begin() const { return chan_iterator<T>(target()); }
  /// The end of such a loop.
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  chan_core* target() const noexcept { return static_cast<const Handle*>(this)->core(); }
};

/// Signals without a value: Go's chan struct{}.
template <typename Handle>
class send_operations<void, Handle> {
 public:
  /// Sends one signal; otherwise as send() of a chan<T>.
  void send() const { send_to(target(), &nothing); }
  /// As send(ctx, value) of a chan<T>.
  [[nodiscard]] std::error_code send(const ringo::context& ctx) const {
    return send_until(ctx, target(), &nothing);
  }
  /// Sends if that needs no waiting; otherwise as try_send() of a chan<T>.
  bool try_send() const { return try_send_to(target(), &nothing); }
  /// As close() of a chan<T>. Closing is how many fibers are told at once.
  void close() const { close_chan(target()); }

 private:
  static inline char nothing = 0;
  chan_core* target() const noexcept { return static_cast<const Handle*>(this)->core(); }
};

template <typename Handle>
class recv_operations<void, Handle> {
 public:
  /// True: a signal; false: closed and drained. Otherwise as recv() of a chan<T>.
  bool recv() const {
    if (target() == nullptr) block_on_nil_recv();
    return target()->recv(nullptr);
  }
  /// As recv(ctx) of a chan<T>. Empty: a signal.
  [[nodiscard]] std::error_code recv(const ringo::context& ctx) const {
    return recv_unless(cancellation_of(ctx), target(), nullptr);
  }
  /// As try_recv() of a chan<T>.
  try_recv_result<void> try_recv() const {
    if (target() == nullptr) return try_recv_result<void>(false, false);
    const chan_status status = target()->try_recv(nullptr);
    return try_recv_result<void>(status == chan_status::done, status == chan_status::closed);
  }

 private:
  chan_core* target() const noexcept { return static_cast<const Handle*>(this)->core(); }
};

}  // namespace detail

/// A Go channel of T (any movable type; void for signals). A handle: copies mean the same channel,
/// == is identity, and default-constructed (or moved-from) it is Go's nil channel, on which send
/// and recv block for ever. Made by make_chan().
///
/// @snippet tests/docs/guide_test.cpp channel
///
/// Works from fibers, which alone are blocked, and from plain threads; may be made and used before
/// and after run(). Thread-safe, but for assigning to one handle while another thread uses that
/// same handle. Each operation needs a handle that lives until it returns: give each fiber its own
/// copy. The last handle gone frees the channel and what it still holds, but wakes nobody: a fiber
/// that waits without a handle waits for ever. Closing is for telling receivers, not for cleaning
/// up.
/// Source: The Go Programming Language Specification, "Channel types".
template <typename T>
class chan : public detail::chan_handle,
             public detail::send_operations<T, chan<T>>,
             public detail::recv_operations<T, chan<T>> {
 public:
  using value_type = T;
  chan() = default;

 private:
  explicit chan(detail::chan_core* adopted) noexcept : chan_handle(adopted) {}

  template <typename U>
  friend chan<U> make_chan(std::ptrdiff_t capacity);
};

/// A channel one can only send to (and close). From a chan<T>, and a handle as that one; there is
/// no way back.
template <typename T>
class send_chan : public detail::chan_handle, public detail::send_operations<T, send_chan<T>> {
 public:
  using value_type = T;
  send_chan() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): the conversion is the point
  send_chan(const chan<T>& both) noexcept : chan_handle(both) {}
  send_chan(chan<T>&& both) noexcept : chan_handle(std::move(both)) {}  // NOLINT: as above
};

/// A channel one can only receive from. From a chan<T>, and a handle as that one; there is no way
/// back.
template <typename T>
class recv_chan : public detail::chan_handle, public detail::recv_operations<T, recv_chan<T>> {
 public:
  using value_type = T;
  recv_chan() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): the conversion is the point
  recv_chan(const chan<T>& both) noexcept : chan_handle(both) {}
  recv_chan(chan<T>&& both) noexcept : chan_handle(std::move(both)) {}  // NOLINT: as above

 private:
  explicit recv_chan(detail::chan_core* adopted) noexcept : chan_handle(adopted) {}

  friend class context;
};

/// Makes a channel with a buffer of `capacity` elements; 0: unbuffered, a send then waits for its
/// receiver. Never blocks. Panics "makechan: size out of range" when it is negative or does not fit
/// into memory. Thread-safe. O(1) but for the allocation, which is one.
/// Source: The Go Programming Language Specification, "Making slices, maps and channels".
template <typename T>
chan<T> make_chan(std::ptrdiff_t capacity = 0) {
  return chan<T>(detail::chan_core::make(detail::element_type_of<T>, capacity));
}

}  // namespace ringo
