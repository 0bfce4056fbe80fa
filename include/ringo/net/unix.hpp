#pragma once

#include <chrono>
#include <string_view>
#include <system_error>

#include <ringo/net/conn.hpp>
#include <ringo/net/options.hpp>
#include <ringo/net/udp.hpp>

namespace ringo::net {

/// Unix sockets with connections: what `unix_stream` and `unix_packet` are.
struct unix_network {
  bool keeps_packets = false;  ///< each read takes what one write sent (SOCK_SEQPACKET)
};
inline constexpr unix_network unix_stream{};
inline constexpr unix_network unix_packet{true};

/// Unix datagrams.
struct unix_datagram_network {};
inline constexpr unix_datagram_network unix_datagram{};

// Compilers that speak a dialect, as with -std=gnu++20, define `unix` as 1. There the name below
// cannot be written, unless the program does without the macro too; `unix_stream` always can.
#pragma push_macro("unix")
#undef unix
inline constexpr unix_network unix = unix_stream;
#pragma pop_macro("unix")

/// A Unix socket: a stream, packets, or datagrams. See conn, and udp_conn for what is said of
/// datagrams. The end of a connection is errc::eof for packets too, so that an empty packet cannot
/// be told from it.
class unix_conn : public conn {
 public:
  unix_conn() = default;

  /// As read(), and tells who sent it: nowhere, or an empty path, when the sender has no name.
  result<received> read_from(io::buffer to) const;
  result<received> read_from(const context& ctx, io::buffer to) const;

  /// Sends a datagram to a socket that listens; on others std::errc::already_connected. Unlike all
  /// other calls it looks only now and then, up to 32 ms apart, whether a receiver that is behind
  /// has room again, and whether this was closed or a deadline has come: the system tells nobody.
  [[nodiscard]] std::error_code write_to(io::const_buffer from, const endpoint& to) const;
  [[nodiscard]] std::error_code write_to(const context& ctx,
                                         io::const_buffer from,
                                         const endpoint& to) const;

  /// As those of tcp_conn.
  [[nodiscard]] std::error_code close_write() const;
  [[nodiscard]] std::error_code close_read() const;

 private:
  using conn::conn;
  friend struct detail::handle_access;
};

/// What accepts connections of Unix sockets. See socket_handle for what handles are. Its file is
/// removed by the first close(), or with the last handle.
class unix_listener : public socket_handle {
 public:
  unix_listener() = default;

  /// As tcp_listener::accept().
  result<unix_conn> accept() const;
  result<unix_conn> accept(const context& ctx) const;

  /// As conn::set_deadline(), for accept().
  [[nodiscard]] std::error_code set_deadline(std::chrono::steady_clock::time_point until) const;

  /// Whether close() removes the file: by default it does if listen() made it. No effect after
  /// close(), or without a file. Error: std::errc::invalid_argument for a nil handle.
  [[nodiscard]] std::error_code set_unlink_on_close(bool on) const;

 private:
  using socket_handle::socket_handle;
  friend struct detail::handle_access;
};

/// Listens at a path, where it makes a file; or, when that begins with '@', at a name that has no
/// file (Linux); or, when it is empty, at such a name that the system chooses. Never blocks.
/// Errors: EADDRINUSE also for the file of a listener that is gone; std::errc::invalid_argument for
/// a path of more than 107 bytes. Source: Go's net.Listen, unix(7).
result<unix_listener> listen(unix_network network,
                             std::string_view path,
                             const listen_options& options = {});
/// A socket that receives the datagrams sent to a path, and is connected to nobody. Its file stays
/// when it is closed, as in Go.
result<unix_conn> listen(unix_datagram_network network,
                         std::string_view path,
                         const listen_options& options = {});

/// Connects to a path. When the listener has no room for more connections it waits, and looks now
/// and then, up to 32 ms apart. Otherwise as TCP's dial().
result<unix_conn> dial(unix_network network,
                       std::string_view path,
                       const dial_options& options = {});
result<unix_conn> dial(const context& ctx,
                       unix_network network,
                       std::string_view path,
                       const dial_options& options = {});
/// A socket that sends datagrams to a path, by write(). With options.local, a path of its own, it
/// can be answered.
result<unix_conn> dial(unix_datagram_network network,
                       std::string_view path,
                       const dial_options& options = {});
result<unix_conn> dial(const context& ctx,
                       unix_datagram_network network,
                       std::string_view path,
                       const dial_options& options = {});

}  // namespace ringo::net

template <>
struct ringo::io::detail::kernel_access<ringo::net::unix_conn> {
  static kernel_end of(const ringo::net::unix_conn& stream) noexcept {
    return ringo::net::detail::handle_access::end_of_stream(stream);
  }
};
