#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <system_error>
#include <vector>

#include <ringo/context.hpp>
#include <ringo/io/wait_fd.hpp>
#include <ringo/net/address.hpp>
#include <ringo/net/endpoint.hpp>
#include <ringo/result.hpp>

struct ares_channeldata;

namespace ringo::net::detail {

/// Whom a dns_client asks, and for how long.
struct dns_servers {
  std::vector<endpoint> endpoints;  ///< no Unix sockets
  std::chrono::milliseconds timeout;
  int attempts;  ///< rounds through the servers
  bool tcp;      ///< no UDP
};

/// A socket of a dns_client and what it is waited for.
struct dns_socket {
  int fd;
  io::readiness wanted;
};

/// Asks DNS servers. A c-ares channel and what it lacks: somebody who waits for its sockets, on the
/// stack of the fiber that asks. One owner. Made for one look-up: c-ares is not thread-safe, and a
/// new socket for each look-up makes answers hard to forge (RFC 5452).
class dns_client {
 public:
  explicit dns_client(const dns_servers& servers);
  dns_client(const dns_client&) = delete;
  dns_client& operator=(const dns_client&) = delete;
  ~dns_client();

  /// The addresses of the absolute `name`, IPv4 and then IPv6 ones, each as the server sent them;
  /// it is asked for both at once. An error counts only if there are none. Blocks only the fiber.
  /// Errors: ctx.err(); those of lookup_errc; of the system, for want of memory or descriptors.
  result<std::vector<address>> ask(const context& ctx, const std::string& name);

 private:
  ares_channeldata* channel_ = nullptr;
  std::error_code error_;            // of the constructor, or of a socket that could not be made
  std::vector<dns_socket> sockets_;  // those that c-ares wants to be waited for

  void use(const dns_servers& servers);
  std::error_code answer_round(const context& ctx);

  friend struct dns_callbacks;
};

}  // namespace ringo::net::detail
