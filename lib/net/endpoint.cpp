#include <ringo/net/endpoint.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <ostream>
#include <system_error>
#include <utility>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace ringo::net {
namespace {

std::error_code invalid() {
  return std::make_error_code(std::errc::invalid_argument);
}

/// All of `text` as a decimal number.
template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stopped != end) return {};
  return value;
}

std::uint32_t scope_of(const std::string& zone) {
  if (zone.empty()) return 0;
  if (const unsigned index = ::if_nametoindex(zone.c_str())) return index;
  return parse_number<std::uint32_t>(zone).value_or(0);
}

std::string zone_of(std::uint32_t scope) {
  if (scope == 0) return {};
  std::array<char, IF_NAMESIZE> name{};
  if (::if_indextoname(scope, name.data()) != nullptr) return name.data();
  return std::to_string(scope);
}

/// Copies `from` to the beginning of `to`, whose type sockaddr_storage cannot be written through.
template <typename Address>
std::size_t store(const Address& from, sockaddr_storage& to) {
  static_assert(sizeof(Address) <= sizeof(sockaddr_storage));
  std::memcpy(&to, &from, sizeof from);
  return sizeof from;
}

/// The beginning of `from` as an Address; empty: it is too short.
template <typename Address>
std::optional<Address> load(const sockaddr* from, std::size_t size) {
  Address loaded{};
  if (size < sizeof loaded) return {};
  std::memcpy(&loaded, from, sizeof loaded);
  return loaded;
}

constexpr std::size_t path_at = offsetof(sockaddr_un, sun_path);
constexpr std::size_t path_max = sizeof(sockaddr_un) - path_at;

result<std::size_t> store_path(const std::string& path, sockaddr_storage& to) {
  const bool abstract = path.starts_with('@');
  // The name of a file ends with a zero; what the kernel takes as an abstract name, with its
  // length.
  if (path.size() > path_max || (path.size() == path_max && !abstract)) return invalid();
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), std::begin(un.sun_path));
  if (abstract) un.sun_path[0] = '\0';
  store(un, to);
  return path_at + path.size() + (abstract || path.empty() ? 0 : 1);
}

std::string load_path(const sockaddr* from, std::size_t size) {
  const char* const path = reinterpret_cast<const char*>(from) + path_at;
  const std::size_t length = std::min(size - path_at, path_max);
  if (length == 0) return {};
  if (path[0] == '\0') return "@" + std::string(path + 1, length - 1);
  return {path, ::strnlen(path, length)};
}

}  // namespace

endpoint::endpoint(net::address address, std::uint16_t port) noexcept
    : address_(std::move(address)), port_(port) {}

endpoint endpoint::from_path(std::string path) noexcept {
  endpoint made;
  made.unix_ = true;
  made.path_ = std::move(path);
  if (made.path_.starts_with('\0')) made.path_.front() = '@';
  return made;
}

result<endpoint> endpoint::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return invalid();
  const auto port = parse_number<std::uint16_t>(text.substr(colon + 1));
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[');
  if (bracketed) {
    if (host.size() < 2 || !host.ends_with(']')) return invalid();
    host = host.substr(1, host.size() - 2);
  }
  auto parsed = address::parse(host);
  if (!port || !parsed || parsed->is_v6() != bracketed) return invalid();
  return endpoint(*std::move(parsed), *port);
}

std::string endpoint::to_string() const {
  if (is_unix()) return path_;
  if (!address_) return "invalid AddrPort";
  const std::string port = ":" + std::to_string(port_);
  return address_.is_v6() ? "[" + address_.to_string() + "]" + port : address_.to_string() + port;
}

result<std::size_t> endpoint::to_sockaddr(sockaddr_storage& to) const {
  if (is_unix()) return store_path(path_, to);
  if (address_.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port_);
    const auto bytes = address_.v4_bytes();
    std::memcpy(&v4.sin_addr, bytes.data(), bytes.size());
    return store(v4, to);
  }
  if (!address_) return invalid();
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port_);
  v6.sin6_scope_id = scope_of(address_.zone());
  const auto bytes = address_.v6_bytes();
  std::memcpy(&v6.sin6_addr, bytes.data(), bytes.size());
  return store(v6, to);
}

result<endpoint> endpoint::from_sockaddr(const sockaddr* from, std::size_t size) {
  const auto unknown = std::make_error_code(std::errc::address_family_not_supported);
  if (from == nullptr || size < path_at) return unknown;
  switch (from->sa_family) {
    case AF_UNIX: return from_path(load_path(from, size));
    case AF_INET: {
      const auto v4 = load<sockaddr_in>(from, size);
      if (!v4) return unknown;
      std::array<std::uint8_t, 4> bytes{};
      std::memcpy(bytes.data(), &v4->sin_addr, bytes.size());
      return endpoint(net::address::from_v4(bytes), ntohs(v4->sin_port));
    }
    case AF_INET6: {
      const auto v6 = load<sockaddr_in6>(from, size);
      if (!v6) return unknown;
      std::array<std::uint8_t, 16> bytes{};
      std::memcpy(bytes.data(), &v6->sin6_addr, bytes.size());
      return endpoint(net::address::from_v6(bytes, zone_of(v6->sin6_scope_id)),
                      ntohs(v6->sin6_port));
    }
    default: return unknown;
  }
}

std::strong_ordering operator<=>(const endpoint& a, const endpoint& b) noexcept {
  if (const auto order = a.address_ <=> b.address_; order != 0) return order;
  if (const auto order = a.port_ <=> b.port_; order != 0) return order;
  if (const auto order = a.unix_ <=> b.unix_; order != 0) return order;
  return a.path_.compare(b.path_) <=> 0;
}

std::ostream& operator<<(std::ostream& to, const endpoint& from) {
  return to << from.to_string();
}

}  // namespace ringo::net

std::size_t std::hash<ringo::net::endpoint>::operator()(
    const ringo::net::endpoint& of) const noexcept {
  const std::size_t address = std::hash<ringo::net::address>()(of.address());
  const std::size_t path = std::hash<std::string>()(of.path());
  return (address ^ (path << 1)) * 0x9E3779B97F4A7C15ULL + of.port() +
         static_cast<std::size_t>(of.is_unix()) * 65536;
}
