#pragma once

#include <cerrno>
#include <cstdint>
#include <mutex>
#include <utility>

#include <ringo/detail/config.hpp>
#include <ringo/detail/explore_point.hpp>
#include <ringo/io/buffer.hpp>

#include "io/descriptor.hpp"
#include "io/io_outcome.hpp"
#include "io/io_wait.hpp"
#include "io/ready_wait.hpp"
#include "io/system_call.hpp"
#include "sched/current.hpp"
#include "sched/worker.hpp"
#include "source/operation.hpp"
#include "source/poll_entry.hpp"

/// The right to read from a descriptor, or to write to it, and what is done with it.
///
/// What every call does that need not wait is inlined into the few that matter most: on the way
/// back from the kernel each line of code comes out of a slower cache, so that what counts is how
/// little of it there is.

namespace ringo::detail {

/// For a scope.
class io_turn final : io_holder {
 public:
  /// Waits for it. A cancellation that is done on entry wins.
  [[gnu::always_inline]] inline io_turn(descriptor& of,
                                        direction d,
                                        cancellation* stop,
                                        io_reason reason)
      : of_(of), side_(of.side_of(d)), stop_(stop), reason_(reason) {
    explore_point();
    worker* const w = current_worker();
    // A fiber whose calls never have to wait (it accepts from a long queue, it copies to
    // /dev/null) would keep its worker from all others.
    const bool others_turn = w != nullptr && w->calls_enough();
    if (RINGO_UNLIKELY(others_turn || stop != nullptr || !side_.turn.try_lock())) {
      take(others_turn);
    } else {
      begin_use();
    }
  }
  /// Takes it if it is free, and never blocks; else std::errc::resource_unavailable_try_again.
  io_turn(descriptor& of, direction d, std::try_to_lock_t, io_reason reason);
  ~io_turn() {
    if (RINGO_LIKELY(!error_)) end();
  }

  /// Why there is none: errc::closed, or the cancellation's code.
  const io_error& error() const noexcept { return error_; }

  /// While there is no error.
  int number() const noexcept { return of_.fd_; }
  io_holder& holder() noexcept { return *this; }

  /// Does the operation: tries, and waits until it can be done. An error: errc::closed,
  /// errc::deadline_exceeded, the cancellation's code, or the system's; then nothing was done. For
  /// `receive`, 0 means what recv(2) means by it.
  io_outcome run(operation& op);
  /// The same for recv(2) from a socket.
  [[gnu::always_inline]] inline io_outcome receive(io::buffer to);

  // For calls that are no operations: whoever has the turn makes them by itself, without blocking.

  /// To be called before each; see descriptor::obstacle().
  io_error begin_call() noexcept;
  /// After one that would have had to wait for `events`: waits until it may be worth another trial,
  /// or says why there is none. `also` is given back, too, if the fiber never goes on.
  io_error wait_for(std::uint32_t events, wait_patience& patience, io_holder* also);

  /// A call may be made: descriptor::obstacle() would find none.
  bool is_clear() const noexcept {
    // relaxed: looked at anew by who waits
    const time_point until = side_.slot.deadline.load(std::memory_order_relaxed);
    return stop_ == nullptr && until == never && !of_.is_closed();
  }

 private:
  descriptor& of_;
  descriptor::side& side_;
  cancellation* const stop_;
  const io_reason reason_;
  io_holder* also_ = nullptr;
  io_error error_;

  void take(bool others_first);
  /// Where to wait until the call can be tried again. Null: an operation does it.
  poll_entry* entry_unless(bool operations_do) const {
    const worker* const w = current_worker();
    if (w == nullptr || (operations_do && w->source().operations() != nullptr)) return nullptr;
    poll_entry* const known = side_.slot.entry.load();
    return RINGO_LIKELY(known != nullptr) ? known : &of_.make_entry();
  }
  /// With the turn.
  void begin_use() noexcept {
    if (RINGO_UNLIKELY(!of_.begin_use())) leave_closed();
  }
  void leave_closed() noexcept;
  void end() noexcept {
    descriptor& of = of_;
    side_.turn.unlock();
    of.end_use();
  }
  direction way() const noexcept { return static_cast<direction>(side_.slot.way); }
  io_error obstacle() const noexcept { return of_.obstacle(way(), stop_); }
  io_outcome run_on_file(operation& op);
  bool would_wait(poll_entry* entry) const noexcept;
  std::int64_t wait(operation& op);
  std::int64_t wait_in(poll_entry& entry);
  std::int64_t wait_by_operation(operation& op);
  std::int64_t receive_by_operation(io::buffer to, std::int64_t refused);
  std::int64_t poll_for(const operation& op);
  void fetch() const noexcept override;
  void give_back() noexcept override;
};

/// With a poll_entry an edge that has come since the last try says that it is worth it. Whether a
/// short read has emptied a socket is sure of TCP alone, but behind urgent data (see
/// poll_entry::hung_up): others keep messages apart, or what came with a descriptor.
[[gnu::always_inline]] inline bool io_turn::would_wait(poll_entry* entry) const noexcept {
  if (entry == nullptr) return true;
  return entry->generation.load() == engine_generation() && !entry->hung_up.load() &&
         of_.kind_ == descriptor_kind::tcp && !entry->take_ready(poll_entry::reading);
}

[[gnu::always_inline]] inline std::int64_t io_turn::wait_in(poll_entry& entry) {
  // The second: close() has perhaps looked for the entry before it was there.
  if (entry.take_ready(side_.slot.way) || of_.is_closed()) return -EAGAIN;
  return wait_until_ready({entry, side_.slot.way, of_.fd_}, &side_.slot, stop_, reason_, this);
}

inline io_outcome io_turn::receive(io::buffer to) {
  // A short read has emptied a stream (epoll(7)); a full one says nothing.
  const auto done = [&](std::int64_t result) {
    of_.drained_ = result > 0 && static_cast<std::size_t>(result) < to.size();
    return outcome_of(result);
  };
  // See ring.hpp.
  const bool operations_do = of_.kind_ != descriptor_kind::tcp;
  wait_patience patience;
  poll_entry* entry = nullptr;
  bool tries = true;
  // Good for one wait: this one takes the edge that the next one would rely on, even if it gives
  // up.
  if (RINGO_LIKELY(std::exchange(of_.drained_, false))) {
    entry = entry_unless(operations_do);
    tries = !would_wait(entry);
  }
  for (;; tries = true) {
    if (RINGO_UNLIKELY(!is_clear())) {
      if (const auto error = obstacle()) return {0, error};
    }
    if (tries) {
      const std::int64_t result = receive_now(of_.fd_, to.data(), to.size(), 0);
      if (result != -EAGAIN) return done(result);
    }
    if (entry == nullptr) entry = entry_unless(operations_do);
    std::int64_t result = RINGO_LIKELY(entry != nullptr) ? wait_in(*entry) : -ENOSYS;
    if (RINGO_UNLIKELY(result != -EAGAIN)) result = receive_by_operation(to, result);
    if (result >= 0) return done(result);
    if (RINGO_UNLIKELY(!patience.again(result, this))) return outcome_of(result);
  }
}

/// Of a turn.
inline io_reason reason_of(const descriptor& d, direction way) noexcept {
  if (way == direction::reading) return d.is_socket() ? io_reason::net_read : io_reason::io_read;
  return d.is_socket() ? io_reason::net_write : io_reason::io_write;
}

}  // namespace ringo::detail
