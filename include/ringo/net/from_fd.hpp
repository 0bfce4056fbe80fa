#pragma once

#include <ringo/net/socket.hpp>
#include <ringo/net/tcp.hpp>
#include <ringo/net/udp.hpp>
#include <ringo/net/unix.hpp>
#include <ringo/result.hpp>

namespace ringo::net {

namespace detail {

template <typename Handle>
struct role_of;
template <>
struct role_of<tcp_conn> {
  static constexpr auto value = socket_role::tcp_conn;
};
template <>
struct role_of<tcp_listener> {
  static constexpr auto value = socket_role::tcp_listener;
};
template <>
struct role_of<udp_conn> {
  static constexpr auto value = socket_role::udp_conn;
};
template <>
struct role_of<unix_conn> {
  static constexpr auto value = socket_role::unix_conn;
};
template <>
struct role_of<unix_listener> {
  static constexpr auto value = socket_role::unix_listener;
};

}  // namespace detail

/// Takes over a socket that was made elsewhere: given away by release(), inherited, received. The
/// handle's type says what it must be: `from_fd<tcp_listener>(3)`; from_fd(fd) gives a tcp_conn.
///
/// The number is non-blocking and closed on exec from now on, and belongs to the handle. Nothing
/// else is changed; but connections that a listener accepts have the usual defaults, and a Unix
/// socket's file stays when it is closed. Never blocks. Errors, when the number still belongs to
/// the caller: std::errc::invalid_argument if it is something else, ENOTSOCK, EBADF. Source: Go's
/// net.FileConn, net.FileListener, which make a copy.
template <typename Handle = tcp_conn>
result<Handle> from_fd(int fd) {
  return detail::handle_access::make<Handle>(detail::adopt(fd, detail::role_of<Handle>::value));
}

}  // namespace ringo::net
