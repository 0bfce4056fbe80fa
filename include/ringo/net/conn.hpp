#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <system_error>

#include <ringo/detail/cancellable.hpp>
#include <ringo/io/buffer.hpp>
#include <ringo/net/endpoint.hpp>
#include <ringo/net/socket.hpp>
#include <ringo/result.hpp>

namespace ringo::net {

/// Any connection: what tcp_conn, udp_conn and unix_conn are, and what they can be copied to. Go's
/// net.Conn. See socket_handle for what handles are.
///
/// Calls block only the fiber. At most one of them reads and one writes at a time, in parallel;
/// others wait for their turn, so what one call writes stays in one piece. Those with a context
/// give up with ctx.err(), at once if it is done on entry, and panic "nil context". When a call has
/// returned, whatever the reason, nobody touches its buffer any more.
///
/// Errors of all: errc::closed after close(), errc::deadline_exceeded, std::errc::invalid_argument
/// for a nil handle, and what the system says of a broken connection (ECONNRESET, EPIPE, ...);
/// never EINTR or EAGAIN, and never a signal. A call that gives up has moved nothing, but for a
/// write, which may have written a part.
class conn : public socket_handle {
 public:
  /// Nil.
  conn() = default;

  /// Reads what there is, at most `to.size()` bytes; waits until there is something. Returns how
  /// many: of a stream at least one. At its end the error is errc::eof. An empty buffer reads
  /// nothing, at once. Of datagrams it reads one, perhaps an empty one; what does not fit is lost.
  result<std::size_t> read(io::buffer to) const;
  result<std::size_t> read(const context& ctx, io::buffer to) const;

  /// Writes all of it, or fails; then an unknown part may be written. Datagrams: sends one.
  [[nodiscard]] std::error_code write(io::const_buffer from) const;
  [[nodiscard]] std::error_code write(const context& ctx, io::const_buffer from) const;
  /// The same for several pieces, one after the other, in as few system calls as it takes.
  /// Datagrams: sends one of them all.
  [[nodiscard]] std::error_code write(std::span<const io::const_buffer> from) const;
  [[nodiscard]] std::error_code write(const context& ctx,
                                      std::span<const io::const_buffer> from) const;

  /// Writes what fits, at least one byte if there are any; waits until there is room. Returns how
  /// many were written.
  result<std::size_t> write_some(io::const_buffer from) const;
  result<std::size_t> write_some(const context& ctx, io::const_buffer from) const;

  /// Until when reads and writes may block, those under way included; then they fail with
  /// errc::deadline_exceeded, also when they would not have to wait, until the deadline is moved.
  /// time_point{} and time_point::max(): no limit. Never blocks. Error: errc::closed.
  [[nodiscard]] std::error_code set_deadline(std::chrono::steady_clock::time_point until) const;
  /// The same for reads only.
  [[nodiscard]] std::error_code set_read_deadline(
      std::chrono::steady_clock::time_point until) const;
  /// The same for writes only.
  [[nodiscard]] std::error_code set_write_deadline(
      std::chrono::steady_clock::time_point until) const;

  /// The address of the other side. Nowhere: nil, not connected, or the connection was broken or
  /// closed before anyone asked. As local(), it asks the system once.
  endpoint remote() const;

  /// Asks the system for so much room for what has arrived, or is to be sent (SO_RCVBUF,
  /// SO_SNDBUF). Never blocks.
  [[nodiscard]] std::error_code set_read_buffer(std::size_t bytes) const;
  [[nodiscard]] std::error_code set_write_buffer(std::size_t bytes) const;

 protected:
  using socket_handle::socket_handle;
};

}  // namespace ringo::net

template <>
struct ringo::io::detail::kernel_access<ringo::net::conn> {
  static kernel_end of(const ringo::net::conn& stream) noexcept {
    return ringo::net::detail::handle_access::end_of_stream(stream);
  }
};
