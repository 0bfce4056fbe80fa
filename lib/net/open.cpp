#include "net/open.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <optional>
#include <utility>

#include <netinet/in.h>
#include <poll.h>

#include <ringo/net/address.hpp>

#include "net/dial_race.hpp"
#include "net/resolve.hpp"

namespace ringo::net::detail {
namespace {

using ringo::detail::never;

int family_of(const endpoint& at) noexcept {
  if (at.is_unix()) return AF_UNIX;
  return at.address().is_v4() || at.address().is_4in6() ? AF_INET : AF_INET6;
}

bool fits_version(const endpoint& at, int version) noexcept {
  return version == 0 || at.is_unix() || (family_of(at) == AF_INET) == (version == 4);
}

std::error_code wrong_family() noexcept {
  return std::make_error_code(std::errc::address_family_not_supported);
}

result<owned_fd> open(int family, int type, bool both_versions) {
  owned_fd fd(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return last_error();
  std::error_code error;
  // Said either way: the system's default may be any.
  if (family == AF_INET6) {
    error = set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, both_versions ? 0 : 1);
  }
  if (!error && type == SOCK_DGRAM && family != AF_UNIX) {
    error = set_option(fd.get(), SOL_SOCKET, SO_BROADCAST, 1);
  }
  if (error) return error;
  return fd;
}

std::error_code bind(int fd, int family, const endpoint& at) {
  sockaddr_storage name{};
  const auto size = address_for(family, at, name);
  if (!size) return size.error();
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&name), *size) == 0) return {};
  return last_error();
}

std::error_code prepare_to_listen(int fd, int family, int type, const listen_options& options) {
  const bool is_inet = family != AF_UNIX;
  std::error_code error;
  if (is_inet && type == SOCK_STREAM) {
    error = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    // What is accepted inherits these: no system call for each.
    if (!error) error = set_tcp_defaults(fd, options.keep_alive);
  }
  if (!error && options.reuse_port) error = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (!error && options.control) error = options.control(fd);
  return error;
}

bool has_file(const endpoint& at) noexcept {
  return at.is_unix() && !at.path().empty() && at.path().front() != '@';
}

result<socket_ref> listen_exactly_at(int family,
                                     socket_kind kind,
                                     const endpoint& at,
                                     const listen_options& options) {
  const bool both = kind.version == 0 && at.address().is_unspecified();
  auto fd = open(family, kind.type, both);
  if (!fd) return fd.error();
  if (const auto error = prepare_to_listen(fd->get(), family, kind.type, options)) return error;
  if (const auto error = bind(fd->get(), family, at)) return error;
  const int number = fd->get();
  socket_ref made = make_socket(*std::move(fd), family, kind.type);
  if (kind.type == SOCK_DGRAM) return made;
  if (has_file(at)) {
    made.get()->file = at.path();
    made.get()->removes_file = true;
  }
  // The system lowers it to somaxconn.
  const int backlog = options.backlog > 0 ? options.backlog : INT_MAX;
  if (::listen(number, backlog) != 0) return last_error();
  return made;
}

/// There is no IPv6 on this machine.
bool is_without_v6(const std::error_code& error) noexcept {
  return error == std::errc::address_family_not_supported ||
         error == std::errc::address_not_available;
}

}  // namespace

result<socket_ref> listen_at(socket_kind kind, const endpoint& at, const listen_options& options) {
  if (!at) return std::make_error_code(std::errc::invalid_argument);
  if (!fits_version(at, kind.version)) return wrong_family();
  const bool everywhere = kind.version == 0 && at.address().is_unspecified();
  if (!everywhere) return listen_exactly_at(family_of(at), kind, at, options);
  auto made = listen_exactly_at(AF_INET6, kind, {address::from_v6({}), at.port()}, options);
  if (made || !is_without_v6(made.error())) return made;
  return listen_exactly_at(AF_INET, kind, {address::from_v4({}), at.port()}, options);
}

result<socket_ref> listen_at(socket_kind kind,
                             std::string_view address,
                             const listen_options& options) {
  const auto found = resolve(background(), kind.version, address, host_use::listening);
  if (!found) return found.error();
  return listen_at(kind, found->front(), options);
}

result<socket_ref> listen_at_inet(socket_kind kind,
                                  const endpoint& at,
                                  const listen_options& options) {
  if (at.is_unix()) return wrong_family();
  return listen_at(kind, at, options);
}

namespace {

/// What it takes to connect without waiting.
std::error_code start_to_connect(socket& s, const sockaddr_storage& to, socklen_t size) noexcept {
  return s.io.with_number([&](int fd) {
    return ::connect(fd, reinterpret_cast<const sockaddr*>(&to), size) == 0 ? 0 : errno;
  });
}

/// A Unix listener with a full backlog cannot be waited for: the system only lets its own blocking
/// calls wait. So this tries again, ever less often.
std::error_code connect_when_there_is_room(socket& s,
                                           const sockaddr_storage& to,
                                           socklen_t size,
                                           cancellation* stop) {
  for (patience pause;;) {
    const auto error = start_to_connect(s, to, size);
    if (error != std::error_code(EAGAIN, std::system_category())) return error;
    if (const auto done = pause.wait(stop)) return done;
  }
}

std::error_code connect(socket& s, const endpoint& to, cancellation* stop) {
  sockaddr_storage name{};
  const auto size = address_for(s.family, to, name);
  if (!size) return size.error();
  io_turn turn(s.io, direction::writing, stop, io_reason::net_connect);
  if (turn.error()) return turn.error();
  const auto error = s.family == AF_UNIX ? connect_when_there_is_room(s, name, *size, stop)
                                         : start_to_connect(s, name, *size);
  if (error != std::errc::operation_in_progress && error != std::errc::interrupted) return error;
  operation op;
  op.code = opcode::poll;
  op.events = POLLOUT;
  const io_outcome outcome = turn.run(op);
  if (outcome.error) return outcome.error;
  return s.io.with_number([](int fd) {
    int failed = 0;
    socklen_t length = sizeof(failed);
    return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &length) == 0 ? failed : errno;
  });
}

std::error_code prepare_to_dial(int fd, int family, socket_kind kind, const dial_options& options) {
  std::error_code error;
  if (kind.type == SOCK_STREAM && family != AF_UNIX) {
    error = set_tcp_defaults(fd, options.keep_alive);
  }
  if (!error && options.control) error = options.control(fd);
  if (!error && options.local) error = bind(fd, family, options.local);
  return error;
}

result<socket_ref> connect_once(cancellation* stop,
                                socket_kind kind,
                                const endpoint& to,
                                const dial_options& options) {
  const int family = family_of(to);
  auto fd = open(family, kind.type, false);
  if (!fd) return fd.error();
  if (const auto error = prepare_to_dial(fd->get(), family, kind, options)) return error;
  socket_ref made = make_socket(*std::move(fd), family, kind.type);
  if (const auto error = connect(*made.get(), to, stop)) return error;
  made.get()->connected = true;
  made.get()->remote.keep(to);
  return made;
}

/// Both ends are one: the system chose the port that was dialled, where nobody listens, and TCP
/// takes the two for an opening at the same moment.
bool is_connected_to_itself(socket& s) {
  sockaddr_storage local{};
  sockaddr_storage remote{};
  socklen_t local_size = sizeof(local);
  socklen_t remote_size = sizeof(remote);
  const auto failed = s.io.with_number([&](int fd) {
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &local_size) != 0) return errno;
    return ::getpeername(fd, reinterpret_cast<sockaddr*>(&remote), &remote_size) == 0 ? 0 : errno;
  });
  return !failed && endpoint_from(local, local_size) == endpoint_from(remote, remote_size);
}

}  // namespace

result<socket_ref> connect_to(cancellation* stop,
                              socket_kind kind,
                              const endpoint& to,
                              const dial_options& options) {
  constexpr int trials_max = 3;
  const bool chooses_port = kind.type == SOCK_STREAM && !to.is_unix() && options.local.port() == 0;
  for (int trial = 1;; ++trial) {
    auto made = connect_once(stop, kind, to, options);
    if (!chooses_port || trial == trials_max) return made;
    // All ports of the range were taken for a moment, or the wrong one was chosen.
    const bool again = made ? is_connected_to_itself(*made->get())
                            : made.error() == std::errc::address_not_available;
    if (!again) return made;
  }
}

namespace {

/// A context that is done when the options say so.
class limited_context {
 public:
  limited_context(const context& parent, const dial_options& options) : ctx_(parent) {
    auto until = never;
    if (options.timeout.count() != 0) {
      until = ringo::detail::deadline_after(now(), options.timeout);
    }
    if (options.deadline != steady_clock::time_point{}) until = std::min(until, options.deadline);
    if (until == never) return;
    auto limited = with_deadline(parent, until);
    ctx_ = std::move(limited.ctx);
    cancel_ = std::move(limited.cancel);
  }
  limited_context(const limited_context&) = delete;
  limited_context& operator=(const limited_context&) = delete;
  ~limited_context() { cancel_(); }

  const context& operator*() const noexcept { return ctx_; }

 private:
  context ctx_;
  cancel_function cancel_;
};

result<socket_ref> dial_any_of(const context& ctx,
                               socket_kind kind,
                               std::vector<endpoint> endpoints,
                               const dial_options& options) {
  if (options.local && !options.local.is_unix()) {
    std::erase_if(endpoints, [&](const endpoint& each) {
      return family_of(each) != family_of(options.local);
    });
    if (endpoints.empty()) return wrong_family();
  }
  auto connect = [&](const context& part, const endpoint& to) {
    return connect_to(ringo::detail::cancellation_of(part), kind, to, options);
  };
  // Datagrams say nothing of who is there: there is nothing to race for.
  if (kind.type != SOCK_STREAM) return dial_serially(ctx, endpoints, connect);
  const bool by_default = options.fallback_delay.count() == 0;
  const auto delay = by_default ? fallback_delay_default : options.fallback_delay;
  return dial_any(ctx, endpoints, delay, connect);
}

}  // namespace

result<socket_ref> dial(const context& ctx,
                        socket_kind kind,
                        const endpoint& to,
                        const dial_options& options) {
  if (!to) return std::make_error_code(std::errc::invalid_argument);
  if (!fits_version(to, kind.version)) return wrong_family();
  const limited_context limited(ctx, options);
  return dial_any_of(*limited, kind, {to}, options);
}

result<socket_ref> dial(const context& ctx,
                        socket_kind kind,
                        std::string_view address,
                        const dial_options& options) {
  const limited_context limited(ctx, options);
  auto found = resolve(*limited,
                       kind.version,
                       address,
                       host_use::dialling,
                       options.resolver ? &*options.resolver : nullptr);
  if (!found) return found.error();
  return dial_any_of(*limited, kind, *std::move(found), options);
}

result<socket_ref> dial_inet(const context& ctx,
                             socket_kind kind,
                             const endpoint& to,
                             const dial_options& options) {
  if (to.is_unix()) return wrong_family();
  return dial(ctx, kind, to, options);
}

}  // namespace ringo::net::detail
