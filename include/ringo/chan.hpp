#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>

#include <ringo/detail/assert.hpp>
#include <ringo/detail/chan_core.hpp>
#include <ringo/detail/chan_handle.hpp>
#include <ringo/error.hpp>

namespace ringo {

/// What try_recv() found: a value, nothing for now, or a closed channel.
template <typename T>
class [[nodiscard]] try_recv_result {
 public:
  explicit try_recv_result(bool closed = false) noexcept : closed_(closed) {}
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

template <>
class [[nodiscard]] try_recv_result<void> {
 public:
  explicit try_recv_result(bool received, bool closed) noexcept : received_(received), closed_(closed) {}
  explicit operator bool() const noexcept { return received_; }
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
  /// Sends one value. Blocks until a receiver has taken it or, with a buffer, until there is room for it; for
  /// ever on a nil channel. What the sender did before is visible to the receiver after its recv(); and
  /// on a channel of capacity C the k-th receive is visible after send k + C.
  /// Panics "send on closed channel", also when it is closed while this waits; the value is lost then.
  /// O(1), allocates nothing. T's move constructor runs under the channel's lock and must not throw.
  void send(T value) const { send_to(target(), &value); }

  /// Sends if that needs no waiting. False: it would block, or the channel is nil; `value` is untouched.
  /// Panics as send().
  bool try_send(T&& value) const { return try_send_to(target(), &value); }
  bool try_send(const T& value) const
    requires std::is_copy_constructible_v<T>
  {
    if (target() == nullptr || target()->send_would_block()) return false;
    T copy(value);
    return try_send_to(target(), &copy);
  }

  /// Ends the stream: receivers get what is buffered and then see the end, at once and for ever. Parked senders
  /// panic. What the closer did before is visible to a receiver that sees the end. Never blocks. O(waiters).
  /// Panics "close of closed channel", "close of nil channel".
  void close() const { close_chan(target()); }

 private:
  chan_core* target() const noexcept { return static_cast<const Handle*>(this)->core(); }
};

template <typename T, typename Handle>
class recv_operations {
 public:
  /// Receives one value; empty: closed and drained. Blocks until there is either; for ever on a nil
  /// channel. O(1), allocates nothing.
  std::optional<T> recv() const {
    std::optional<T> value;
    receive_into(target(), value);
    return value;
  }

  /// Receives if that needs no waiting.
  try_recv_result<T> try_recv() const {
    if (target() == nullptr) return try_recv_result<T>();
    element_slot<T> slot;
    const chan_status status = target()->try_recv(slot.room());
    if (status != chan_status::done) return try_recv_result<T>(status == chan_status::closed);
    std::optional<T> value;
    take_from(slot, value);
    return try_recv_result<T>(std::move(value));
  }

  /// `for (auto&& value : ch)`: each received value, until closed and drained. The values may be moved from.
  chan_iterator<T> begin() const { return chan_iterator<T>(target()); }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  chan_core* target() const noexcept { return static_cast<const Handle*>(this)->core(); }
};

/// Signals without a value: Go's chan struct{}. As above otherwise.
template <typename Handle>
class send_operations<void, Handle> {
 public:
  void send() const {
    send_to(target(), &nothing);
  }
  bool try_send() const { return try_send_to(target(), &nothing); }
  void close() const { close_chan(target()); }

 private:
  static inline char nothing = 0;
  chan_core* target() const noexcept { return static_cast<const Handle*>(this)->core(); }
};

template <typename Handle>
class recv_operations<void, Handle> {
 public:
  /// True: a signal; false: closed and drained.
  bool recv() const {
    if (target() == nullptr) block_on_nil_recv();
    return target()->recv(nullptr);
  }
  try_recv_result<void> try_recv() const {
    if (target() == nullptr) return try_recv_result<void>(false, false);
    const chan_status status = target()->try_recv(nullptr);
    return try_recv_result<void>(status == chan_status::done, status == chan_status::closed);
  }

 private:
  chan_core* target() const noexcept { return static_cast<const Handle*>(this)->core(); }
};

}  // namespace detail

/// A Go channel of T (any movable type; void for signals). A handle: copies mean the same channel, == is
/// identity, and default-constructed (or moved-from) it is Go's nil channel, on which every operation
/// blocks for ever. Made by make_chan(). The last handle gone frees the channel and what it still holds;
/// closing is for telling receivers, not for cleaning up.
///
/// Works from fibers, which alone are blocked, and from plain threads. Thread-safe, but for assigning to one
/// handle while another thread uses that same handle. Keep a handle alive during each operation: give
/// each fiber its own copy.
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

/// A channel one can only send to (and close). From a chan<T>; there is no way back.
template <typename T>
class send_chan : public detail::chan_handle, public detail::send_operations<T, send_chan<T>> {
 public:
  using value_type = T;
  send_chan() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): the conversion is the point
  send_chan(const chan<T>& both) noexcept : chan_handle(both) {}
  send_chan(chan<T>&& both) noexcept : chan_handle(std::move(both)) {}  // NOLINT: as above
};

/// A channel one can only receive from. From a chan<T>; there is no way back.
template <typename T>
class recv_chan : public detail::chan_handle, public detail::recv_operations<T, recv_chan<T>> {
 public:
  using value_type = T;
  recv_chan() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): the conversion is the point
  recv_chan(const chan<T>& both) noexcept : chan_handle(both) {}
  recv_chan(chan<T>&& both) noexcept : chan_handle(std::move(both)) {}  // NOLINT: as above
};

/// Makes a channel with a buffer of `capacity` elements; 0: unbuffered, a send then waits for its receiver.
/// Panics "makechan: size out of range" when it is negative or does not fit into memory. One allocation.
template <typename T>
chan<T> make_chan(std::ptrdiff_t capacity = 0) {
  return chan<T>(detail::chan_core::make(detail::element_type_of<T>, capacity));
}

}  // namespace ringo
