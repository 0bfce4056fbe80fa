#pragma once

#include <cerrno>
#include <cstdint>
#include <mutex>
#include <utility>

#include <ringo/detail/config.hpp>
#include <ringo/detail/explore_point.hpp>

#include "io/descriptor.hpp"
#include "io/io_outcome.hpp"
#include "io/io_wait.hpp"
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
  /// The same, with the call inlined, and for no file.
  template <typename Call>
  [[gnu::always_inline]] inline io_outcome run_by(operation& op, Call&& call);

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
  /// Null: the engine here needs none.
  poll_entry* entry() const {
    const worker* const w = current_worker();
    if (w == nullptr || !w->source().needs_entry()) return nullptr;
    poll_entry* const known = of_.entry_.load();
    return RINGO_LIKELY(known != nullptr) ? known : of_.make_entry();
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
  direction way() const noexcept { return static_cast<direction>(&side_ - of_.sides_.data()); }
  io_error obstacle() const noexcept { return of_.obstacle(way(), stop_); }
  io_outcome run_on_file(operation& op);
  bool would_wait(operation& op) noexcept;
  /// A short read has emptied a stream (epoll(7)); a full one says nothing.
  void learn(const operation& op, std::int64_t result) noexcept {
    if (op.code != opcode::receive) return;
    of_.drained_ = result > 0 && static_cast<std::size_t>(result) < op.size;
  }
  std::int64_t wait(operation& op);
  std::int64_t wait_until_ready(const operation& op);
  void fetch() const noexcept override;
  void give_back() noexcept override;
};

/// With epoll an edge that has come since the last try says that it is worth it. Whether a short
/// read has emptied a socket is sure of TCP alone, but behind urgent data (see
/// poll_entry::hung_up): others keep messages apart, or what came with a descriptor.
[[gnu::always_inline]] inline bool io_turn::would_wait(operation& op) noexcept {
  if (way() != direction::reading || !std::exchange(of_.drained_, false)) return false;
  if (op.code != opcode::receive) return false;
  op.entry = entry();
  if (op.entry == nullptr) return true;
  return op.entry->generation.load() == engine_generation() && !op.entry->hung_up.load() &&
         of_.kind_ == descriptor_kind::tcp && !op.entry->take_ready(poll_entry::reading);
}

[[gnu::always_inline]] inline std::int64_t io_turn::wait(operation& op) {
  if (op.entry == nullptr) op.entry = entry();
  const auto d = static_cast<poll_entry::direction>(way());
  if (op.entry != nullptr && op.entry->take_ready(d)) return -EAGAIN;
  // The kernel would do without the care that make_call() takes: of SIGPIPE, of a shared mode.
  const bool only_here = op.code == opcode::write || op.in_shared_mode;
  if (op.entry != nullptr || !only_here) {
    const std::int64_t result = wait_for_operation(op, &side_.slot, stop_, reason_, this);
    if (result != -EAGAIN || op.entry != nullptr || op.code == opcode::poll) return result;
  }
  return wait_until_ready(op);
}

template <typename Call>
inline io_outcome io_turn::run_by(operation& op, Call&& call) {
  wait_patience patience;
  op.fd = of_.fd_;
  // Good for one wait: this one takes the edge that the next one would rely on, even if it gives
  // up.
  bool wait_first = would_wait(op);
  for (;;) {
    if (RINGO_UNLIKELY(!is_clear())) {
      if (const auto error = obstacle()) return {0, error};
    }
    if (!wait_first) {
      const std::int64_t result = call(op);
      if (result != -EAGAIN) {
        learn(op, result);
        return outcome_of(result);
      }
    }
    wait_first = false;
    const std::int64_t result = wait(op);
    if (result >= 0) {
      learn(op, result);
      return outcome_of(result);
    }
    if (!patience.again(result, this)) return outcome_of(result);
  }
}

/// Of a turn.
inline io_reason reason_of(const descriptor& d, direction way) noexcept {
  if (way == direction::reading) return d.is_socket() ? io_reason::net_read : io_reason::io_read;
  return d.is_socket() ? io_reason::net_write : io_reason::io_write;
}

}  // namespace ringo::detail
