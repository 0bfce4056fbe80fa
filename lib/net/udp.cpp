#include <ringo/net/udp.hpp>

#include <sys/socket.h>

#include <ringo/context.hpp>

#include "net/message.hpp"
#include "net/open.hpp"
#include "net/socket.hpp"

namespace ringo::net {
namespace {

using detail::handle_access;
using detail::socket_kind;
using ringo::detail::cancellation_of;

socket_kind kind_of(udp_network network) noexcept {
  return {SOCK_DGRAM, network.version};
}

}  // namespace

result<received> udp_conn::read_from(io::buffer to) const {
  return detail::receive_from(nullptr, get(), to);
}

result<received> udp_conn::read_from(const context& ctx, io::buffer to) const {
  return detail::receive_from(cancellation_of(ctx), get(), to);
}

std::error_code udp_conn::write_to(io::const_buffer from, const endpoint& to) const {
  return detail::send_to(nullptr, get(), from, to);
}

std::error_code udp_conn::write_to(const context& ctx,
                                   io::const_buffer from,
                                   const endpoint& to) const {
  return detail::send_to(cancellation_of(ctx), get(), from, to);
}

result<udp_conn> listen(udp_network network,
                        std::string_view address,
                        const listen_options& options) {
  return handle_access::make<udp_conn>(detail::listen_at(kind_of(network), address, options));
}

result<udp_conn> listen(udp_network network, const endpoint& at, const listen_options& options) {
  return handle_access::make<udp_conn>(detail::listen_at_inet(kind_of(network), at, options));
}

result<udp_conn> dial(const context& ctx,
                      udp_network network,
                      std::string_view address,
                      const dial_options& options) {
  return handle_access::make<udp_conn>(detail::dial(ctx, kind_of(network), address, options));
}

result<udp_conn> dial(udp_network network, std::string_view address, const dial_options& options) {
  return dial(background(), network, address, options);
}

result<udp_conn> dial(const context& ctx,
                      udp_network network,
                      const endpoint& to,
                      const dial_options& options) {
  return handle_access::make<udp_conn>(detail::dial_inet(ctx, kind_of(network), to, options));
}

result<udp_conn> dial(udp_network network, const endpoint& to, const dial_options& options) {
  return dial(background(), network, to, options);
}

}  // namespace ringo::net
