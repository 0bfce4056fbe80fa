#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>

#include <ringo/io/buffer.hpp>
#include <ringo/result.hpp>

namespace ringo::net {

/// An IPv4 or IPv6 address, the latter perhaps with a zone ("fe80::1%eth0"), or none, which a
/// default-constructed one is. Go's netip.Addr, and what Go says of a text or an address holds
/// here: an IPv4 address in an IPv6 one ("::ffff:1.2.3.4") is an IPv6 address and differs from
/// the IPv4 address, until unmap().
///
/// @snippet tests/net/address_test.cpp address
///
/// A value, as thread-safe as an int. Nothing here blocks or asks the system; copies allocate for
/// zones of more than 15 characters. Source: Go's net/netip.
class address {
 public:
  /// None: neither IPv4 nor IPv6.
  address() = default;
  /// The IPv4 address of these bytes, most significant first: `from_v4({127, 0, 0, 1})`.
  static address from_v4(const std::array<std::uint8_t, 4>& bytes) noexcept;
  /// The IPv6 address of these bytes; "" is no zone.
  static address from_v6(const std::array<std::uint8_t, 16>& bytes, std::string zone = {}) noexcept;
  /// That of 4 or 16 bytes. Error: std::errc::invalid_argument for any other number.
  static result<address> from_bytes(io::const_buffer bytes);

  /// Reads "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1%eth0". Nothing else: no
  /// brackets, no port, no leading zeros in IPv4, no names. Error: std::errc::invalid_argument.
  static result<address> parse(std::string_view text);

  /// The shortest text that parse() takes (RFC 5952), in small letters; "invalid IP" for none.
  std::string to_string() const;

  /// True: an address, though perhaps the unspecified one.
  explicit operator bool() const noexcept { return family_ != family::none; }
  bool is_v4() const noexcept { return family_ == family::v4; }
  /// Also true for is_4in6().
  bool is_v6() const noexcept { return family_ == family::v6; }
  /// An IPv4 address in an IPv6 one: in ::ffff:0:0/96.
  bool is_4in6() const noexcept;
  /// The IPv4 address if is_4in6(), without a zone; else the same address.
  address unmap() const;

  /// "" for none.
  const std::string& zone() const noexcept { return zone_; }
  /// The same with this zone, "" for none. Only IPv6 addresses have zones: else the same address.
  address with_zone(std::string zone) const;

  /// Of an IPv4 address, also in an IPv6 one. Panics "As4 called on IPv6 address", "As4 called on
  /// IP zero value".
  std::array<std::uint8_t, 4> v4_bytes() const;
  /// An IPv4 address as one in IPv6. All zero for none. Without the zone.
  std::array<std::uint8_t, 16> v6_bytes() const noexcept { return bytes_; }

  // Each is false for none, and tells of is_4in6() addresses what it tells of the IPv4 address,
  // but for is_unspecified() and the interface-local multicast of IPv6, which are false of them.

  /// "0.0.0.0" or "::".
  bool is_unspecified() const noexcept;
  /// 127.0.0.0/8 or ::1.
  bool is_loopback() const noexcept;
  /// 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 (RFC 1918), or fc00::/7 (RFC 4193).
  bool is_private() const noexcept;
  /// 224.0.0.0/4 or ff00::/8.
  bool is_multicast() const noexcept;
  bool is_interface_local_multicast() const noexcept;
  /// 224.0.0.0/24, or ff02::/16 with any flags.
  bool is_link_local_multicast() const noexcept;
  /// 169.254.0.0/16 or fe80::/10.
  bool is_link_local_unicast() const noexcept;
  /// Any unicast address but the unspecified, loopback and link-local ones, private ones included;
  /// nor is it IPv4's broadcast address.
  bool is_global_unicast() const noexcept;

  /// None first, then IPv4, then IPv6; each by its number, then by its zone.
  friend bool operator==(const address&, const address&) = default;
  friend std::strong_ordering operator<=>(const address& a, const address& b) noexcept;
  /// As to_string().
  friend std::ostream& operator<<(std::ostream& to, const address& from);

 private:
  enum class family : std::uint8_t { none, v4, v6 };

  family family_ = family::none;
  std::array<std::uint8_t, 16> bytes_{};  // IPv4: as in ::ffff:0:0/96
  std::string zone_;                      // empty unless IPv6

  friend struct std::hash<address>;

  bool has_v4_prefix() const noexcept;
  bool holds_v4() const noexcept { return is_v4() || is_4in6(); }
};

}  // namespace ringo::net

template <>
struct std::hash<ringo::net::address> {
  std::size_t operator()(const ringo::net::address& of) const noexcept;
};
