#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include <ringo/chan.hpp>

namespace ringo::detail {

struct timer_core;
using timer_channel = recv_chan<std::chrono::steady_clock::time_point>;

/// What timer and ticker hold; empty when default-constructed or moved-from. The protocol is in
/// lib/time/timer_core.hpp.
class timer_handle {
 public:
  timer_handle() = default;
  timer_handle(timer_core* adopted, timer_channel channel) noexcept
      : core_(adopted), channel_(std::move(channel)) {}
  timer_handle(timer_handle&& other) noexcept
      : core_(std::exchange(other.core_, nullptr)), channel_(std::move(other.channel_)) {}
  timer_handle& operator=(timer_handle&& other) noexcept {
    timer_handle taken(std::move(other));
    std::swap(core_, taken.core_);
    std::swap(channel_, taken.channel_);
    return *this;
  }
  timer_handle(const timer_handle&) = delete;
  timer_handle& operator=(const timer_handle&) = delete;
  ~timer_handle() {
    // A channel's timer goes with the channel.
    if (core_ != nullptr && !channel_) drop_function();
  }

  explicit operator bool() const noexcept { return core_ != nullptr; }
  const timer_channel& channel() const noexcept { return channel_; }

  /// Both only on one that is not empty. True: it was active.
  bool stop() const;
  bool reset(std::chrono::nanoseconds delay, std::chrono::nanoseconds period) const;

 private:
  timer_core* core_ = nullptr;  // the core outlives channel_
  timer_channel channel_;       // nil: of after_func

  void drop_function() noexcept;
};

/// What after_func() runs. call() may run in several fibers at a time.
class timer_function {
 public:
  timer_function(const timer_function&) = delete;
  timer_function& operator=(const timer_function&) = delete;
  virtual ~timer_function() = default;
  virtual void call() = 0;

 protected:
  timer_function() = default;
};

template <typename Fn>
class timer_function_of final : public timer_function {
 public:
  template <typename From>
  explicit timer_function_of(std::in_place_t /*tag*/, From&& fn) : fn_(std::forward<From>(fn)) {}
  void call() override { std::invoke(fn_); }

 private:
  Fn fn_;
};

/// `period`: 0 for one time only.
timer_handle start_timer(std::chrono::nanoseconds delay, std::chrono::nanoseconds period);
/// `site` is a code address of the caller of after_func().
timer_handle start_function(std::chrono::nanoseconds delay,
                            std::unique_ptr<timer_function> function,
                            const void* site);

}  // namespace ringo::detail
