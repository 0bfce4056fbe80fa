#pragma once

#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

#include <ringo/detail/chan_core.hpp>
#include <ringo/error.hpp>

namespace ringo::detail {

/// A counted reference to a channel, or nil. Copies mean the same channel.
class chan_handle {
 public:
  chan_handle() = default;
  explicit chan_handle(chan_core* adopted) noexcept : core_(adopted) {}
  chan_handle(const chan_handle& other) noexcept : core_(other.core_) {
    if (core_ != nullptr) core_->add_handle();
  }
  chan_handle(chan_handle&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  chan_handle& operator=(chan_handle other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~chan_handle() {
    if (core_ != nullptr) core_->drop_handle();
  }

  /// False: a nil channel.
  explicit operator bool() const noexcept { return core_ != nullptr; }
  /// Elements in the buffer; 0 for nil and for unbuffered channels. A snapshot. Never blocks.
  std::size_t len() const noexcept { return core_ != nullptr ? core_->len() : 0; }
  /// The size of the buffer, fixed by make_chan; 0 for nil.
  std::size_t cap() const noexcept { return core_ != nullptr ? core_->cap() : 0; }

  /// Identity, across directions too; nil equals nil.
  friend bool operator==(const chan_handle& a, const chan_handle& b) noexcept {
    return a.core_ == b.core_;
  }

  chan_core* core() const noexcept { return core_; }

 private:
  chan_core* core_ = nullptr;
};

/// Raw room for one element of T, which the core constructs.
template <typename T>
class element_slot {
 public:
  void* room() noexcept { return storage_; }
  T& value() noexcept { return *std::launder(reinterpret_cast<T*>(storage_)); }
  void end() noexcept { value().~T(); }

 private:
  alignas(T) std::byte storage_[sizeof(T)];
};

/// The received element moves from `slot` to `into`.
template <typename T>
void take_from(element_slot<T>& slot, std::optional<T>& into) {
  into.emplace(std::move(slot.value()));
  slot.end();
}

/// Blocks; false and `into` left alone: closed and drained.
template <typename T>
bool receive_into(chan_core* core, std::optional<T>& into) {
  if (core == nullptr) block_on_nil_recv();
  element_slot<T> slot;
  if (!core->recv(slot.room())) return false;
  take_from(slot, into);
  return true;
}

inline void send_to(chan_core* core, void* value) {
  if (core == nullptr) block_on_nil_send();
  if (!core->send(value)) panic_send_on_closed();
}

inline std::error_code send_until(const ringo::context& ctx, chan_core* core, void* value) {
  const auto error = send_unless(cancellation_of(ctx), core, value);
  if (error == errc::closed) panic_send_on_closed();
  return error;
}

inline bool try_send_to(chan_core* core, void* value) {
  if (core == nullptr) return false;
  const chan_status status = core->try_send(value);
  if (status == chan_status::closed) panic_send_on_closed();
  return status == chan_status::done;
}

inline void close_chan(chan_core* core) {
  if (core == nullptr) panic("close of nil channel");
  core->close();
}

}  // namespace ringo::detail
