#include "net/resolve.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>

#include <netdb.h>
#include <netinet/in.h>

#include <ringo/blocking.hpp>
#include <ringo/net/address.hpp>
#include <ringo/net/host_port.hpp>
#include <ringo/net/lookup.hpp>

namespace ringo::net::detail {
namespace {

std::error_code invalid_argument() noexcept {
  return std::make_error_code(std::errc::invalid_argument);
}

/// The number of a service, from /etc/services; 0: there is none.
std::uint16_t port_of_service(const std::string& name) {
  servent entry{};
  servent* found = nullptr;
  std::array<char, 1024> room;
  const int failed = ringo::blocking([&] {
    return ::getservbyname_r(name.c_str(), nullptr, &entry, room.data(), room.size(), &found);
  });
  if (failed != 0 || found == nullptr) return 0;
  return ntohs(static_cast<std::uint16_t>(entry.s_port));
}

result<std::uint16_t> parse_port(const std::string& text) {
  if (text.empty()) return std::uint16_t{0};
  std::uint16_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed == std::errc{} && end == text.data() + text.size()) return number;
  if (text.find_first_not_of("0123456789") == std::string::npos) return invalid_argument();
  number = port_of_service(text);
  if (number == 0) return invalid_argument();
  return number;
}

/// Those that a host stands for, of any version.
result<std::vector<address>> addresses_of(const context& ctx,
                                          const std::string& host,
                                          host_use use,
                                          const resolver* names) {
  const address loopback_v4 = address::from_v4({127, 0, 0, 1});
  const address loopback_v6 = address::from_v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
  if (host.empty()) {
    if (use == host_use::dialling) return std::vector{loopback_v4, loopback_v6};
    return std::vector{address::from_v6({}), address::from_v4({})};
  }
  auto found = names != nullptr ? names->lookup(ctx, host) : lookup(ctx, host);
  if (!found) return found;
  for (address& each : *found) each = each.unmap();
  if (use == host_use::listening) {
    std::stable_partition(
        found->begin(), found->end(), [](const address& each) { return each.is_v4(); });
  }
  return found;
}

bool is_version(const address& each, int version) noexcept {
  return version == 0 || (version == 4 ? each.is_v4() : each.is_v6());
}

}  // namespace

result<std::vector<endpoint>> resolve(
    const context& ctx, int version, std::string_view text, host_use use, const resolver* names) {
  const auto parts = text.empty() && use == host_use::listening ? result<host_port>(host_port{})
                                                                : split_host_port(text);
  if (!parts) return parts.error();
  const auto port = parse_port(parts->port);
  if (!port) return port.error();
  auto addresses = addresses_of(ctx, parts->host, use, names);
  if (!addresses) return addresses.error();
  std::vector<endpoint> found;
  for (address& each : *addresses) {
    if (is_version(each, version)) found.emplace_back(std::move(each), *port);
  }
  if (found.empty()) return std::make_error_code(std::errc::address_family_not_supported);
  return found;
}

}  // namespace ringo::net::detail
