#include "net/socket.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <utility>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/time/now.hpp>

#include "sched/cancellation.hpp"

namespace ringo::net {

namespace detail {

void retain(socket& s) noexcept {
  s.handles.fetch_add(1, std::memory_order_relaxed);  // relaxed: the caller has a handle
}

void release(socket& s) noexcept {
  if (s.handles.fetch_sub(1) == 1) delete &s;
}

void socket::remove_file() noexcept {
  if (removes_file.exchange(false)) ::unlink(file.c_str());
}

std::error_code last_error() noexcept {
  return {errno, std::system_category()};
}

namespace {

socket_ref make_socket_of(descriptor_kind kind, owned_fd fd, int family, int type) {
  auto* const made = new socket(fd.get(), kind, family, type);
  static_cast<void>(fd.take());
  return socket_ref(made);
}

}  // namespace

socket_ref make_socket(owned_fd fd, int family, int type) {
  const descriptor_kind kind = ringo::detail::kind_of_socket(fd.get());
  return make_socket_of(kind, std::move(fd), family, type);
}

std::error_code set_option(int fd, int level, int name, int value) noexcept {
  if (::setsockopt(fd, level, name, &value, sizeof(value)) == 0) return {};
  return last_error();
}

std::error_code set_option(socket* of, int level, int name, int value) noexcept {
  if (of == nullptr) return nil_handle();
  return of->io.with_number([&](int fd) { return set_option(fd, level, name, value).value(); });
}

namespace {

int whole_seconds(std::chrono::nanoseconds time) noexcept {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(time).count();
  return static_cast<int>(
      std::clamp<std::int64_t>(seconds, 1, 32'767));  // the kernel's MAX_TCP_KEEP*
}

}  // namespace

std::error_code set_keep_alive(int fd, const keep_alive_options& to) noexcept {
  if (!to.enabled) return set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 0);
  const std::array<std::pair<int, int>, 3> values{{{TCP_KEEPIDLE, whole_seconds(to.idle)},
                                                   {TCP_KEEPINTVL, whole_seconds(to.interval)},
                                                   {TCP_KEEPCNT, to.count}}};
  for (const auto& [name, value] : values) {
    if (const auto error = set_option(fd, IPPROTO_TCP, name, value)) return error;
  }
  return set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

std::error_code set_tcp_defaults(int fd, const keep_alive_options& keep_alive) noexcept {
  if (const auto error = set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1)) return error;
  return set_keep_alive(fd, keep_alive);
}

std::error_code set_deadline(socket* of, direction d, steady_clock::time_point until) noexcept {
  if (of == nullptr) return nil_handle();
  const bool none = until == steady_clock::time_point{};
  return of->io.set_deadline(d, none ? steady_clock::time_point::max() : until);
}

std::error_code shut_down(socket* of, int how) noexcept {
  if (of == nullptr) return nil_handle();
  return of->io.with_number([how](int fd) { return ::shutdown(fd, how) == 0 ? 0 : errno; });
}

endpoint endpoint_from(const sockaddr_storage& from, socklen_t size) {
  auto found = endpoint::from_sockaddr(reinterpret_cast<const sockaddr*>(&from), size);
  if (!found) return {};
  if (!found->address().is_4in6()) return *std::move(found);
  return {found->address().unmap(), found->port()};
}

result<socklen_t> address_for(int family, const endpoint& at, sockaddr_storage& to) {
  if (!at) return std::make_error_code(std::errc::invalid_argument);
  const auto convert = [&to](const endpoint& from) -> result<socklen_t> {
    const auto size = from.to_sockaddr(to);
    if (!size) return size.error();
    return static_cast<socklen_t>(*size);
  };
  if (at.is_unix()) {
    if (family == AF_UNIX) return convert(at);
  } else if (family == AF_INET6) {
    if (!at.address().is_v4()) return convert(at);
    return convert({address::from_v6(at.address().v6_bytes()), at.port()});
  } else if (family == AF_INET) {
    const address unmapped = at.address().unmap();
    if (unmapped.is_v4()) return convert({unmapped, at.port()});
  }
  return std::make_error_code(std::errc::address_family_not_supported);
}

std::error_code patience::wait(cancellation* stop) {
  constexpr std::chrono::milliseconds time_max(32);
  const auto time = std::exchange(next_, std::min(2 * next_, time_max));
  if (stop != nullptr) return sleep_until_time(*stop, ringo::now() + time);
  sleep_for(time);
  return {};
}

namespace {

/// Broken before it was accepted, says accept(2): the next one may be well.
bool is_of_one_connection(const std::error_code& error) noexcept {
  if (error.category() != std::system_category()) return false;
  switch (error.value()) {
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH: return true;
    default: return false;
  }
}

result<socket_ref> accepted(const socket& listener, owned_fd fd) {
  const bool is_tcp = listener.family != AF_UNIX;
  if (is_tcp && listener.is_foreign) {
    // The connection may be broken by now; who reads from it will see.
    static_cast<void>(set_tcp_defaults(fd.get(), {}));
  }
  // Without asking: as its listener, whose protocol it has.
  socket_ref made =
      make_socket_of(listener.io.kind(), std::move(fd), listener.family, listener.type);
  made.get()->connected = true;
  return made;
}

}  // namespace

result<socket_ref> accept(socket* listener, cancellation* stop) {
  constexpr int broken_max = 10'000;
  if (listener == nullptr) return nil_handle();
  io_turn turn(listener->io, direction::reading, stop, io_reason::net_accept);
  if (turn.error()) return turn.error().code();
  for (int broken = 0;; ++broken) {
    operation op;
    op.code = opcode::accept;
    op.events = POLLIN;
    op.flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
    const io_outcome outcome = turn.run(op);
    if (!outcome.error) return accepted(*listener, owned_fd(static_cast<int>(outcome.count)));
    if (!is_of_one_connection(outcome.error) || broken == broken_max) return outcome.error.code();
  }
}

io::detail::kernel_end handle_access::end_of_stream(const socket_handle& of) noexcept {
  socket* const behind = of.get();
  if (behind == nullptr || !behind->is_stream()) return {};
  return {&behind->io, nullptr};
}

namespace {

int option(int fd, int name) noexcept {
  int value = 0;
  socklen_t size = sizeof(value);
  return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -errno;
}

bool fits(socket_role role, int family, int type, bool listens) noexcept {
  const bool is_unix = family == AF_UNIX;
  if (!is_unix && family != AF_INET && family != AF_INET6) return false;
  switch (role) {
    case socket_role::tcp_conn: return !is_unix && type == SOCK_STREAM && !listens;
    case socket_role::tcp_listener: return !is_unix && type == SOCK_STREAM && listens;
    case socket_role::udp_conn: return !is_unix && type == SOCK_DGRAM;
    case socket_role::unix_conn: return is_unix && !listens;
    case socket_role::unix_listener: return is_unix && listens;
  }
  return false;
}

}  // namespace

result<socket_ref> adopt(int fd, socket_role role) {
  const int family = option(fd, SO_DOMAIN);
  if (family < 0) return std::error_code(-family, std::system_category());
  const int type = option(fd, SO_TYPE);
  const bool listens = option(fd, SO_ACCEPTCONN) == 1;
  if (!fits(role, family, type, listens)) return nil_handle();
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return last_error();
  if (::fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) return last_error();
  socket_ref made = make_socket(owned_fd(fd), family, type);
  sockaddr_storage peer{};
  socklen_t size = sizeof(peer);
  made.get()->connected = ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
  made.get()->is_foreign = true;
  return made;
}

}  // namespace detail

std::error_code socket_handle::close() const {
  if (get() == nullptr) return detail::nil_handle();
  // Before the number is closed: after it the file may be another listener's.
  if (!get()->io.is_closed()) get()->remove_file();
  return get()->io.close();
}

result<int> socket_handle::release() const {
  if (get() == nullptr) return detail::nil_handle();
  get()->removes_file = false;
  return get()->io.release();
}

endpoint socket_handle::local() const {
  if (get() == nullptr) return {};
  return get()->local.get([this]() -> endpoint {
    sockaddr_storage name{};
    socklen_t size = sizeof(name);
    const auto failed = get()->io.with_number([&](int fd) {
      return ::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) == 0 ? 0 : errno;
    });
    return failed ? endpoint{} : detail::endpoint_from(name, size);
  });
}

std::error_code socket_handle::use_number(void* subject,
                                          void (*call)(void* subject, int fd)) const {
  if (get() == nullptr) return detail::nil_handle();
  return get()->io.with_number([&](int fd) {
    call(subject, fd);
    return 0;
  });
}

}  // namespace ringo::net
