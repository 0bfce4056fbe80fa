#pragma once

#include <string_view>
#include <system_error>
#include <vector>

#include <ringo/context.hpp>
#include <ringo/net/endpoint.hpp>
#include <ringo/net/options.hpp>
#include <ringo/result.hpp>

#include "net/socket.hpp"

namespace ringo::net::detail {

/// What kind of socket is to be opened.
struct socket_kind {
  int type;         ///< SOCK_...
  int version = 0;  ///< of IP: 4, 6 or either
};

/// A socket that listens, or of datagrams: that is bound. For either version an unspecified address
/// stands for all of both.
result<socket_ref> listen_at(socket_kind kind, const endpoint& at, const listen_options& options);
/// The same at "host:port".
result<socket_ref> listen_at(socket_kind kind,
                             std::string_view address,
                             const listen_options& options);

/// listen_at() and dial() for whoever only takes Internet addresses. Error for others:
/// std::errc::address_family_not_supported.
result<socket_ref> listen_at_inet(socket_kind kind,
                                  const endpoint& at,
                                  const listen_options& options);
result<socket_ref> dial_inet(const context& ctx,
                             socket_kind kind,
                             const endpoint& to,
                             const dial_options& options);

/// A socket that is connected to one endpoint.
result<socket_ref> connect_to(cancellation* stop,
                              socket_kind kind,
                              const endpoint& to,
                              const dial_options& options);

/// The same for the first that can be reached, within the limits of the options.
result<socket_ref> dial(const context& ctx,
                        socket_kind kind,
                        const endpoint& to,
                        const dial_options& options);
/// The same for "host:port".
result<socket_ref> dial(const context& ctx,
                        socket_kind kind,
                        std::string_view address,
                        const dial_options& options);

}  // namespace ringo::net::detail
