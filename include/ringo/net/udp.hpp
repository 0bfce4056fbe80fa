#pragma once

#include <cstddef>
#include <string_view>
#include <system_error>

#include <ringo/net/conn.hpp>
#include <ringo/net/options.hpp>

namespace ringo::net {

/// UDP over one family of addresses, or either: what `udp`, `udp4` and `udp6` are.
struct udp_network {
  int version = 0;  ///< 4, 6, or 0: either
};
inline constexpr udp_network udp{};
inline constexpr udp_network udp4{4};
inline constexpr udp_network udp6{6};

/// What read_from() read.
struct received {
  std::size_t size = 0;  ///< how much of the buffer it filled
  endpoint from;         ///< who sent it; nowhere: a Unix socket without a name
};

/// A UDP socket: connected, by dial(), or not, by listen(). See conn. Each read takes one datagram,
/// which may be empty, and each write sends one. What is read of a datagram that does not fit is as
/// much as fits.
class udp_conn : public conn {
 public:
  udp_conn() = default;

  /// As read(), and tells who sent it: an IPv4 address as such, also on a socket for both families.
  result<received> read_from(io::buffer to) const;
  result<received> read_from(const context& ctx, io::buffer to) const;

  /// Sends a datagram; `from` may be empty. A connected socket only sends to where it is connected,
  /// by write(): std::errc::already_connected. One that is not has no write():
  /// std::errc::destination_address_required. Too long: EMSGSIZE.
  [[nodiscard]] std::error_code write_to(io::const_buffer from, const endpoint& to) const;
  [[nodiscard]] std::error_code write_to(const context& ctx,
                                         io::const_buffer from,
                                         const endpoint& to) const;

 private:
  using conn::conn;
  friend struct detail::handle_access;
};

/// A socket that receives what is sent to "host:port", and is connected to nobody. The address is
/// read as that of TCP's listen(), whose errors it has. Datagrams may be sent to broadcast
/// addresses. Source: Go's net.ListenPacket.
result<udp_conn> listen(udp_network network,
                        std::string_view address,
                        const listen_options& options = {});
result<udp_conn> listen(udp_network network,
                        const endpoint& at,
                        const listen_options& options = {});

/// A socket that sends to "host:port" and receives from there only. Nothing is sent, so that it
/// succeeds whether or not anybody is there. Otherwise as TCP's dial(); of several addresses it
/// takes the first that there is a route to.
result<udp_conn> dial(udp_network network,
                      std::string_view address,
                      const dial_options& options = {});
result<udp_conn> dial(const context& ctx,
                      udp_network network,
                      std::string_view address,
                      const dial_options& options = {});
result<udp_conn> dial(udp_network network, const endpoint& to, const dial_options& options = {});
result<udp_conn> dial(const context& ctx,
                      udp_network network,
                      const endpoint& to,
                      const dial_options& options = {});

}  // namespace ringo::net
