#pragma once

#include <chrono>
#include <optional>
#include <string_view>
#include <system_error>

#include <ringo/net/conn.hpp>
#include <ringo/net/options.hpp>

namespace ringo::net {

/// TCP over one family of addresses, or either: what `tcp`, `tcp4` and `tcp6` are.
struct tcp_network {
  int version = 0;  ///< 4, 6, or 0: either
};
inline constexpr tcp_network tcp{};
inline constexpr tcp_network tcp4{4};
inline constexpr tcp_network tcp6{6};

/// A TCP connection; see conn. Without Nagle's delay and with keep-alive unless told otherwise.
class tcp_conn : public conn {
 public:
  tcp_conn() = default;

  /// No more writes: the other side reads to the end of the stream, while this one goes on reading.
  /// Never blocks. Source: shutdown(2).
  [[nodiscard]] std::error_code close_write() const;
  /// No more reads: they end the stream, those under way too.
  [[nodiscard]] std::error_code close_read() const;

  /// False: small writes wait for each other (Nagle's algorithm). By default they do not.
  [[nodiscard]] std::error_code set_no_delay(bool on) const;
  [[nodiscard]] std::error_code set_keep_alive(const keep_alive_options& to) const;
  /// What close() does with what is not sent yet. Empty, the default: the system sends it
  /// meanwhile. Zero: it is thrown away, and the other side sees the connection reset. Else close()
  /// *blocks the thread* up to this long until it is sent. In whole seconds, rounded up. Source:
  /// SO_LINGER.
  [[nodiscard]] std::error_code set_linger(std::optional<std::chrono::nanoseconds> to) const;

 private:
  using conn::conn;
  friend struct detail::handle_access;
};

/// What accepts TCP connections. See socket_handle for what handles are.
class tcp_listener : public socket_handle {
 public:
  tcp_listener() = default;

  /// Waits for the next connection. Many fibers may accept at a time: each connection goes to one.
  /// Connections that were broken before anyone accepted them are passed over.
  ///
  /// Blocks only the fiber. Errors: errc::closed, errc::deadline_exceeded, ctx.err(); and EMFILE,
  /// ENFILE, ENOBUFS, ENOMEM when the system has no room for it: the connection waits on, so that
  /// a loop that accepts must wait too before the next trial, or it spins. Panics "nil context".
  result<tcp_conn> accept() const;
  result<tcp_conn> accept(const context& ctx) const;

  /// As conn::set_deadline(), for accept().
  [[nodiscard]] std::error_code set_deadline(std::chrono::steady_clock::time_point until) const;

 private:
  using socket_handle::socket_handle;
  friend struct detail::handle_access;
};

/// Listens for TCP connections at "host:port". Without a host, or with an unspecified one
/// ("0.0.0.0", "::"), at all addresses: of both families for `tcp`, of one for `tcp4` and `tcp6`.
/// Port 0, or none, is one that the system chooses: local() tells. A host that is a name stands for
/// its first address, an IPv4 one if there is any. SO_REUSEADDR is set.
///
/// Looking up a name blocks, the fiber only; nothing else does. Errors: those of split_host_port()
/// and lookup(), std::errc::invalid_argument for a port, std::errc::address_family_not_supported
/// for an address of the other family, and the system's (EADDRINUSE, EACCES, ...).
/// Source: Go's net.Listen.
result<tcp_listener> listen(tcp_network network,
                            std::string_view address,
                            const listen_options& options = {});
result<tcp_listener> listen(tcp_network network,
                            const endpoint& at,
                            const listen_options& options = {});

/// Connects to "host:port"; without a host, to this machine. Tries every address of a name: those
/// of the better family one after the other, those of the other side by side with them after a
/// moment (RFC 8305).
///
/// Blocks only the fiber. When ctx is done it gives up with ctx.err() and leaves nothing behind;
/// once it has returned, ctx has no effect on the connection. Errors: those of listen(); of several
/// addresses, what became of the first; errc::deadline_exceeded for the options' limits. Panics
/// "nil context". Source: Go's Dialer.DialContext.
result<tcp_conn> dial(tcp_network network,
                      std::string_view address,
                      const dial_options& options = {});
result<tcp_conn> dial(const context& ctx,
                      tcp_network network,
                      std::string_view address,
                      const dial_options& options = {});
result<tcp_conn> dial(tcp_network network, const endpoint& to, const dial_options& options = {});
result<tcp_conn> dial(const context& ctx,
                      tcp_network network,
                      const endpoint& to,
                      const dial_options& options = {});

}  // namespace ringo::net

template <>
struct ringo::io::detail::kernel_access<ringo::net::tcp_conn> {
  static kernel_end of(const ringo::net::tcp_conn& stream) noexcept {
    return ringo::net::detail::handle_access::end_of_stream(stream);
  }
};
