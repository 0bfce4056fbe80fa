#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <system_error>

#include <ringo/net/endpoint.hpp>
#include <ringo/net/lookup.hpp>

namespace ringo::net {

/// How the system finds out that the other side of a silent TCP connection is gone. The numbers are
/// Go's. A time is rounded up to whole seconds.
struct keep_alive_options {
  bool enabled = true;
  std::chrono::nanoseconds idle = std::chrono::seconds(15);      ///< silence before the first probe
  std::chrono::nanoseconds interval = std::chrono::seconds(15);  ///< between probes
  int count = 9;  ///< unanswered probes until the connection is broken
};

/// Called with a socket's number after it was made and before it is bound, listens or connects: for
/// options that have no name here. An error ends the dialling or listening. May be called by
/// several fibers at a time, as a dial that tries two addresses side by side does.
using socket_control = std::function<std::error_code(int fd)>;

/// How to listen; what is not given has a default.
struct listen_options {
  /// How many connections wait to be accepted; 0: as many as the system allows (somaxconn).
  int backlog = 0;
  /// SO_REUSEPORT: several sockets on one address, among which the system shares connections or
  /// datagrams out.
  bool reuse_port = false;
  /// Of accepted TCP connections.
  keep_alive_options keep_alive = {};
  socket_control control = {};
};

/// How to dial; what is not given has a default.
struct dial_options {
  /// The most it may take, look-ups included; 0: no limit; negative: it fails at once.
  std::chrono::nanoseconds timeout{0};
  /// Until when; the default: no limit. The earliest of this, `timeout` and the context's counts.
  std::chrono::steady_clock::time_point deadline = {};
  /// Where to connect from; nowhere: the system chooses. With an address, only addresses of the
  /// same family are tried.
  endpoint local = {};
  /// How long the family of the first address is tried alone (RFC 8305); 0: 300 ms; negative: one
  /// address after the other.
  std::chrono::nanoseconds fallback_delay{0};
  /// Of TCP connections.
  keep_alive_options keep_alive = {};
  socket_control control = {};
  /// What looks names up; none: that of net::lookup().
  std::optional<net::resolver> resolver = {};
};

}  // namespace ringo::net
