#pragma once

#include <string>
#include <string_view>
#include <system_error>

#include <ringo/result.hpp>

namespace ringo::net {

/// What is wrong with a text that is not "host:port". Each equals std::errc::invalid_argument when
/// compared as a condition.
enum class address_errc {
  missing_port = 1,   ///< "example.org", "[::1]"
  too_many_colons,    ///< "::1:80": an IPv6 address needs brackets
  missing_bracket,    ///< "[::1:80"
  unexpected_bracket  ///< "[a[b]:80", "a]b:80"
};

/// The category of address_errc; one object for the whole process.
const std::error_category& address_category() noexcept;

/// Lets an address_errc become a std::error_code by itself.
inline std::error_code make_error_code(address_errc code) noexcept {
  return {static_cast<int>(code), address_category()};
}

/// What split_host_port() returns. Either may be empty: ":8080", "example.org:".
struct host_port {
  std::string host;  ///< without brackets, with its zone: "::1", "fe80::1%eth0", "example.org"
  std::string port;  ///< a number, or the name of a service

  friend bool operator==(const host_port&, const host_port&) = default;
};

/// Splits "host:port", "[host]:port", "[host%zone]:port". Neither part is looked at any further.
/// Errors: those of address_errc. Thread-safe; allocates for long names.
///
/// @snippet tests/net/host_port_test.cpp host_port
///
/// Source: Go's net.SplitHostPort.
result<host_port> split_host_port(std::string_view text);

/// The reverse: "host:port", and "[host]:port" for a host with a colon in it, as in IPv6 addresses.
/// Source: Go's net.JoinHostPort.
std::string join_host_port(std::string_view host, std::string_view port);

}  // namespace ringo::net

template <>
struct std::is_error_code_enum<ringo::net::address_errc> : std::true_type {};
