#pragma once

#include <cstdint>
#include <mutex>

#include <ringo/detail/config.hpp>
#include <ringo/io/buffer.hpp>

#include "io/descriptor.hpp"
#include "io/io_outcome.hpp"
#include "io/io_wait.hpp"
#include "source/operation.hpp"
#include "source/poll_entry.hpp"

/// The right to read from a descriptor, or to write to it, and what is done with it.
/// The calls that matter most go a shorter way, if they can: short_way.hpp.

namespace ringo::detail {

/// For a scope.
class io_turn final : io_holder {
 public:
  /// Waits for it. A cancellation that is done on entry wins.
  io_turn(descriptor& of, direction d, cancellation* stop, io_reason reason);
  /// The caller has it.
  io_turn(descriptor& of, direction d, std::adopt_lock_t /*unused*/, io_reason reason) noexcept
      : of_(of), side_(of.side_of(d)), stop_(nullptr), reason_(reason) {}
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
  io_outcome receive(io::buffer to);

  // For calls that are no operations: whoever has the turn makes them by itself, without blocking.

  /// To be called before each; see descriptor::obstacle().
  io_error begin_call() noexcept;
  /// After one that would have had to wait for `events`: waits until it may be worth another trial,
  /// or says why there is none. `also` is given back, too, if the fiber never goes on.
  io_error wait_for(std::uint32_t events, wait_patience& patience, io_holder* also);

 private:
  descriptor& of_;
  descriptor::side& side_;
  cancellation* const stop_;
  const io_reason reason_;
  io_holder* also_ = nullptr;
  io_error error_;

  poll_entry* entry_unless(bool operations_do) const;
  void end() noexcept { of_.end_turn(side_); }
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

/// Of a turn.
inline io_reason reason_of(const descriptor& d, direction way) noexcept {
  if (way == direction::reading) return d.is_socket() ? io_reason::net_read : io_reason::io_read;
  return d.is_socket() ? io_reason::net_write : io_reason::io_write;
}

}  // namespace ringo::detail
