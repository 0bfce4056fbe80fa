#include <ringo/net/tcp.hpp>

#include <algorithm>
#include <cerrno>
#include <climits>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <ringo/context.hpp>

#include "net/open.hpp"
#include "net/socket.hpp"

namespace ringo::net {
namespace {

using detail::handle_access;
using detail::socket_kind;
using ringo::detail::cancellation_of;

socket_kind kind_of(tcp_network network) noexcept {
  return {SOCK_STREAM, network.version};
}

}  // namespace

std::error_code tcp_conn::close_write() const {
  return detail::shut_down(get(), SHUT_WR);
}

std::error_code tcp_conn::close_read() const {
  return detail::shut_down(get(), SHUT_RD);
}

std::error_code tcp_conn::set_no_delay(bool on) const {
  return detail::set_option(get(), IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0);
}

std::error_code tcp_conn::set_keep_alive(const keep_alive_options& to) const {
  return with_fd([&](int fd) { return detail::set_keep_alive(fd, to); });
}

std::error_code tcp_conn::set_linger(std::optional<std::chrono::nanoseconds> to) const {
  linger value{};
  if (to) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(*to).count();
    value.l_onoff = 1;
    value.l_linger = static_cast<int>(std::clamp<std::int64_t>(seconds, 0, INT_MAX));
  }
  return with_fd([&](int fd) -> std::error_code {
    if (::setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, sizeof(value)) == 0) return {};
    return detail::last_error();
  });
}

result<tcp_conn> tcp_listener::accept() const {
  return handle_access::make<tcp_conn>(detail::accept(get(), nullptr));
}

result<tcp_conn> tcp_listener::accept(const context& ctx) const {
  return handle_access::make<tcp_conn>(detail::accept(get(), cancellation_of(ctx)));
}

std::error_code tcp_listener::set_deadline(std::chrono::steady_clock::time_point until) const {
  return detail::set_deadline(get(), detail::direction::reading, until);
}

result<tcp_listener> listen(tcp_network network,
                            std::string_view address,
                            const listen_options& options) {
  return handle_access::make<tcp_listener>(detail::listen_at(kind_of(network), address, options));
}

result<tcp_listener> listen(tcp_network network,
                            const endpoint& at,
                            const listen_options& options) {
  return handle_access::make<tcp_listener>(detail::listen_at_inet(kind_of(network), at, options));
}

result<tcp_conn> dial(const context& ctx,
                      tcp_network network,
                      std::string_view address,
                      const dial_options& options) {
  return handle_access::make<tcp_conn>(detail::dial(ctx, kind_of(network), address, options));
}

result<tcp_conn> dial(tcp_network network, std::string_view address, const dial_options& options) {
  return dial(background(), network, address, options);
}

result<tcp_conn> dial(const context& ctx,
                      tcp_network network,
                      const endpoint& to,
                      const dial_options& options) {
  return handle_access::make<tcp_conn>(detail::dial_inet(ctx, kind_of(network), to, options));
}

result<tcp_conn> dial(tcp_network network, const endpoint& to, const dial_options& options) {
  return dial(background(), network, to, options);
}

}  // namespace ringo::net
