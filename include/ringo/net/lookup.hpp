#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <ringo/context.hpp>
#include <ringo/net/address.hpp>
#include <ringo/net/endpoint.hpp>
#include <ringo/result.hpp>

namespace ringo::net {

/// Why a name has no addresses.
enum class lookup_errc {
  no_such_host = 1,   ///< all who know say that there is none: Go's IsNotFound
  timed_out,          ///< no server has answered in time; equals std::errc::timed_out
  temporary_failure,  ///< servers cannot be reached, or answer that they cannot tell now; equals
                      ///< std::errc::resource_unavailable_try_again
  bad_answer          ///< a server's answer makes no sense
};

/// The category of lookup_errc; one object for the whole process.
const std::error_category& lookup_category() noexcept;

/// Lets a lookup_errc become a std::error_code by itself.
inline std::error_code make_error_code(lookup_errc code) noexcept {
  return {static_cast<int>(code), lookup_category()};
}

/// What a resolver goes by; the default is what the system says.
struct resolver_options {
  /// DNS servers, asked in this order. Empty: those of `config_file`. Addresses without a zone; no
  /// Unix sockets.
  std::vector<endpoint> servers{};
  /// How long to wait for one server's answer, before the next is asked. 0: by `config_file`, where
  /// it is 5 s if nothing is said.
  std::chrono::milliseconds timeout{0};
  /// How many times to go through the servers, 10 at most. 0: by `config_file`, where it is 2 if
  /// nothing is said.
  int attempts = 0;
  /// Names that need no server, and go first.
  std::string hosts_file = "/etc/hosts";
  /// Servers, search list and options. Of the options, ndots, timeout, attempts, rotate and use-vc
  /// count.
  std::string config_file = "/etc/resolv.conf";
};

/// Finds the addresses of names. Go's net.Resolver, as it is without cgo: asks DNS servers itself,
/// and neither libc nor nsswitch.conf, so that a look-up costs a socket and no thread.
///
/// A handle: copies mean the same resolver. Thread-safe, but for assigning to one handle while
/// another thread uses it. May go while look-ups are under way. Needs a runtime.
///
/// @snippet tests/net/lookup_test.cpp resolver
class resolver {
 public:
  /// By the options of the system. Allocates.
  resolver();
  /// Panics "resolver: negative timeout", "resolver: negative attempts", "resolver: a server
  /// without an IP address".
  explicit resolver(resolver_options options);
  // Moving copies: there is no resolver without what is behind it.
  resolver(const resolver&) = default;
  resolver& operator=(const resolver&) = default;
  ~resolver() = default;

  /// The addresses of `host`, the best to connect to first (RFC 6724); one at least.
  ///
  /// A literal address is its own, and asks nobody. Else the hosts file goes first; if it does not
  /// have the name, "localhost" is 127.0.0.1 and ::1, and for all others DNS servers are asked for
  /// IPv4 and IPv6 addresses at once, over UDP, and over TCP if an answer is too long. Both files
  /// are read again when they have changed. Nothing is remembered, but callers that ask for one
  /// name at the same time share one answer.
  ///
  /// Blocks only the fiber, or the plain thread. Gives up with ctx.err() when the context is done,
  /// at once if it is on entry; others that ask for the same name go on. When all have given up,
  /// the question is dropped. Errors: those of lookup_errc, which a name that is none ("", "a..b",
  /// "1.2.3") is, too, as no_such_host; the system's, for want of memory or descriptors. Panics
  /// "nil context", "go: no runtime is running". Allocates. Source: Go's Resolver.LookupNetIP.
  result<std::vector<address>> lookup(const context& ctx, std::string_view host) const;
  /// The same, and waits for as long as the servers are given.
  result<std::vector<address>> lookup(std::string_view host) const;

 private:
  class core;
  std::shared_ptr<core> core_;
};

/// resolver::lookup() of the resolver that all share and that goes by what the system says.
result<std::vector<address>> lookup(const context& ctx, std::string_view host);
/// The same, and waits for as long as the servers are given.
result<std::vector<address>> lookup(std::string_view host);

}  // namespace ringo::net

template <>
struct std::is_error_code_enum<ringo::net::lookup_errc> : std::true_type {};
