#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>

#include <ringo/net/address.hpp>
#include <ringo/result.hpp>

struct sockaddr;
struct sockaddr_storage;

namespace ringo::net {

/// Where a socket is: an address and a port, or the path of a Unix socket, or nowhere, as a
/// default-constructed one is. Go's netip.AddrPort and net.UnixAddr in one.
///
/// @snippet tests/net/endpoint_test.cpp endpoint
///
/// A value, as thread-safe as an int.
class endpoint {
 public:
  /// Nowhere.
  endpoint() = default;
  endpoint(net::address address, std::uint16_t port) noexcept;

  /// That of a Unix socket. A leading '@' (or zero byte, which becomes one) stands for Linux'
  /// abstract names, which no file has. "" is a socket without a name; to listen there makes the
  /// kernel choose an abstract one.
  static endpoint from_path(std::string path) noexcept;

  /// Reads "192.0.2.1:80", "[2001:db8::1]:80", "[fe80::1%eth0]:80": address as address::parse()
  /// takes it, IPv6 ones in brackets, and a port in digits. No names, and no paths: see
  /// from_path(). Error: std::errc::invalid_argument.
  static result<endpoint> parse(std::string_view text);

  /// What parse() takes; the path of a Unix socket; "invalid AddrPort" for nowhere.
  std::string to_string() const;

  /// False: nowhere, or a port without an address.
  explicit operator bool() const noexcept { return is_unix() || address_; }
  bool is_unix() const noexcept { return unix_; }
  /// None, for a Unix socket.
  const net::address& address() const noexcept { return address_; }
  /// 0 for a Unix socket.
  std::uint16_t port() const noexcept { return port_; }
  /// Of a Unix socket; else "".
  const std::string& path() const noexcept { return path_; }

  /// What the system calls take. Returns how many bytes of `to` count. A zone is an interface's
  /// name or number; one that there is not becomes 0, which the kernel refuses where it matters.
  /// May ask the system for the number. Error: std::errc::invalid_argument, for nowhere and for a
  /// path that is too long (over 107 bytes, 108 with the '@' of an abstract one).
  result<std::size_t> to_sockaddr(sockaddr_storage& to) const;

  /// From what system calls give, of `size` bytes. May ask the system for the name of a zone.
  /// Abstract names are taken as they are, zero bytes and all. Error:
  /// std::errc::address_family_not_supported, also when it is too short.
  static result<endpoint> from_sockaddr(const sockaddr* from, std::size_t size);

  /// By address, then port; then paths.
  friend bool operator==(const endpoint&, const endpoint&) = default;
  friend std::strong_ordering operator<=>(const endpoint& a, const endpoint& b) noexcept;
  /// As to_string().
  friend std::ostream& operator<<(std::ostream& to, const endpoint& from);

 private:
  net::address address_;
  std::uint16_t port_ = 0;
  bool unix_ = false;
  std::string path_;
};

}  // namespace ringo::net

template <>
struct std::hash<ringo::net::endpoint> {
  std::size_t operator()(const ringo::net::endpoint& of) const noexcept;
};
