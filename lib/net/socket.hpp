#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

#include <ringo/net/endpoint.hpp>
#include <ringo/net/options.hpp>
#include <ringo/net/socket.hpp>
#include <ringo/result.hpp>

#include "io/io_turn.hpp"

namespace ringo::net::detail {

using ringo::detail::cancellation;
using ringo::detail::descriptor;
using ringo::detail::descriptor_kind;
using ringo::detail::direction;
using ringo::detail::io_outcome;
using ringo::detail::io_reason;
using ringo::detail::io_turn;
using ringo::detail::opcode;
using ringo::detail::operation;
using std::chrono::steady_clock;

/// An endpoint that is found out once, when somebody asks. Any thread.
class kept_endpoint {
 public:
  kept_endpoint() = default;
  kept_endpoint(const kept_endpoint&) = delete;
  kept_endpoint& operator=(const kept_endpoint&) = delete;
  ~kept_endpoint() { delete known_.load(); }

  /// find() is asked again as long as it says "nowhere".
  template <typename Find>
  endpoint get(Find&& find) {
    if (const endpoint* known = known_.load()) return *known;
    endpoint found = find();
    if (found) keep(found);
    return found;
  }
  /// The first one stays.
  void keep(const endpoint& found) {
    auto fresh = std::make_unique<const endpoint>(found);
    const endpoint* expected = nullptr;
    if (known_.compare_exchange_strong(expected, fresh.get())) static_cast<void>(fresh.release());
  }

 private:
  std::atomic<const endpoint*> known_{nullptr};
};

/// What stands behind the handles. Immutable but for what says otherwise.
struct socket {
  descriptor io;
  const int family;  // AF_...
  const int type;    // SOCK_...
  bool connected = false;
  // Of a listener: accepted connections do not inherit their defaults from it.
  bool is_foreign = false;
  kept_endpoint local;
  kept_endpoint remote;
  std::string file;                       // of a Unix socket that made one
  std::atomic<bool> removes_file{false};  // close() does; atomic: the first close() clears it
  std::atomic<std::uint32_t> handles{1};  // atomic: copies of handles come and go

  socket(int fd, descriptor_kind kind, int of_family, int of_type) noexcept
      : io(fd, kind), family(of_family), type(of_type) {}
  socket(const socket&) = delete;
  socket& operator=(const socket&) = delete;
  ~socket() { remove_file(); }

  // First by what a call on the descriptor looks at anyway.
  bool is_tcp() const noexcept { return io.kind() == descriptor_kind::tcp; }
  bool is_stream() const noexcept { return is_tcp() || type == SOCK_STREAM; }
  bool is_datagram() const noexcept { return type == SOCK_DGRAM; }
  /// The first time.
  void remove_file() noexcept;
};

/// A number that is closed unless it is taken.
class owned_fd {
 public:
  explicit owned_fd(int fd) noexcept : fd_(fd) {}
  owned_fd(owned_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  owned_fd& operator=(owned_fd&&) = delete;
  ~owned_fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const noexcept { return fd_; }
  int take() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/// errno, at once.
std::error_code last_error() noexcept;
inline std::error_code nil_handle() noexcept {
  return std::make_error_code(std::errc::invalid_argument);
}

/// Of the kind that the system says.
socket_ref make_socket(owned_fd fd, int family, int type);

std::error_code set_option(int fd, int level, int name, int value) noexcept;
/// The same for whoever has a handle, which may be nil.
std::error_code set_option(socket* of, int level, int name, int value) noexcept;
std::error_code set_keep_alive(int fd, const keep_alive_options& to) noexcept;
/// What every TCP connection has unless told otherwise.
std::error_code set_tcp_defaults(int fd, const keep_alive_options& keep_alive) noexcept;
/// `until` is the user's.
std::error_code set_deadline(socket* of, direction d, steady_clock::time_point until) noexcept;
std::error_code shut_down(socket* of, int how) noexcept;

/// What the system says of a socket of this family; an IPv4 address as such.
endpoint endpoint_from(const sockaddr_storage& from, socklen_t size);
/// What the system wants to hear of an endpoint from a socket of this family. Errors:
/// std::errc::invalid_argument, std::errc::address_family_not_supported.
result<socklen_t> address_for(int family, const endpoint& at, sockaddr_storage& to);

/// Time to wait before a call is tried again that nothing tells the moment of: it doubles.
class patience {
 public:
  /// Blocks. The code if `stop` is done before.
  std::error_code wait(cancellation* stop);

 private:
  std::chrono::milliseconds next_{1};
};

/// The next connection.
result<socket_ref> accept(socket* listener, cancellation* stop);

}  // namespace ringo::net::detail
