#include <ringo/net/unix.hpp>

#include <string>

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

socket_kind kind_of(unix_network network) noexcept {
  return {network.keeps_packets ? SOCK_SEQPACKET : SOCK_STREAM};
}

socket_kind kind_of(unix_datagram_network /*network*/) noexcept {
  return {SOCK_DGRAM};
}

endpoint at_path(std::string_view path) {
  return endpoint::from_path(std::string(path));
}

}  // namespace

result<received> unix_conn::read_from(io::buffer to) const {
  return detail::receive_from(nullptr, get(), to);
}

result<received> unix_conn::read_from(const context& ctx, io::buffer to) const {
  return detail::receive_from(cancellation_of(ctx), get(), to);
}

std::error_code unix_conn::write_to(io::const_buffer from, const endpoint& to) const {
  return detail::send_to(nullptr, get(), from, to);
}

std::error_code unix_conn::write_to(const context& ctx,
                                    io::const_buffer from,
                                    const endpoint& to) const {
  return detail::send_to(cancellation_of(ctx), get(), from, to);
}

std::error_code unix_conn::close_write() const {
  return detail::shut_down(get(), SHUT_WR);
}

std::error_code unix_conn::close_read() const {
  return detail::shut_down(get(), SHUT_RD);
}

result<unix_conn> unix_listener::accept() const {
  return handle_access::make<unix_conn>(detail::accept(get(), nullptr));
}

result<unix_conn> unix_listener::accept(const context& ctx) const {
  return handle_access::make<unix_conn>(detail::accept(get(), cancellation_of(ctx)));
}

std::error_code unix_listener::set_deadline(std::chrono::steady_clock::time_point until) const {
  return detail::set_deadline(get(), detail::direction::reading, until);
}

std::error_code unix_listener::set_unlink_on_close(bool on) const {
  if (get() == nullptr) return detail::nil_handle();
  if (!get()->file.empty() && !get()->io.is_closed()) get()->removes_file = on;
  return {};
}

result<unix_listener> listen(unix_network network,
                             std::string_view path,
                             const listen_options& options) {
  return handle_access::make<unix_listener>(
      detail::listen_at(kind_of(network), at_path(path), options));
}

result<unix_conn> listen(unix_datagram_network network,
                         std::string_view path,
                         const listen_options& options) {
  return handle_access::make<unix_conn>(
      detail::listen_at(kind_of(network), at_path(path), options));
}

result<unix_conn> dial(const context& ctx,
                       unix_network network,
                       std::string_view path,
                       const dial_options& options) {
  return handle_access::make<unix_conn>(
      detail::dial(ctx, kind_of(network), at_path(path), options));
}

result<unix_conn> dial(unix_network network, std::string_view path, const dial_options& options) {
  return dial(background(), network, path, options);
}

result<unix_conn> dial(const context& ctx,
                       unix_datagram_network network,
                       std::string_view path,
                       const dial_options& options) {
  return handle_access::make<unix_conn>(
      detail::dial(ctx, kind_of(network), at_path(path), options));
}

result<unix_conn> dial(unix_datagram_network network,
                       std::string_view path,
                       const dial_options& options) {
  return dial(background(), network, path, options);
}

}  // namespace ringo::net
