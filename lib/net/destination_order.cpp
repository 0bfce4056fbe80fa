#include "net/destination_order.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

#include <ringo/net/endpoint.hpp>

namespace ringo::net::detail {
namespace {

using v6_array = std::array<std::uint8_t, 16>;

/// How many of the first bits of both are equal.
std::size_t common_bits(const v6_array& a, const v6_array& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i]) continue;
    const auto differ = static_cast<std::uint8_t>(a[i] ^ b[i]);
    return i * 8 + static_cast<std::size_t>(std::countl_zero(differ));
  }
  return a.size() * 8;
}

struct policy {
  v6_array prefix;
  std::size_t bits;
  unsigned precedence;
  unsigned label;
};

/// RFC 6724, section 2.1; the longest prefix first. The last one takes every address.
constexpr policy policies[] = {
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, 50, 0},  // loopback
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, 35, 4},         // IPv4
    {{}, 96, 1, 3},                                                  // IPv4-compatible
    {{0x20, 0x01}, 32, 5, 5},                                        // Teredo
    {{0x20, 0x02}, 16, 30, 2},                                       // 6to4
    {{0x3f, 0xfe}, 16, 1, 12},                                       // 6bone
    {{0xfe, 0xc0}, 10, 1, 11},                                       // site-local
    {{0xfc}, 7, 3, 13},                                              // unique local
    {{}, 0, 40, 1},
};

const policy& policy_for(const address& of) {
  const auto bytes = of.v6_bytes();
  return *std::find_if(std::begin(policies), std::end(policies), [&](const policy& each) {
    return common_bits(bytes, each.prefix) >= each.bits;
  });
}

constexpr unsigned link_local = 0x2;
constexpr unsigned site_local = 0x5;
constexpr unsigned global = 0xe;

/// RFC 6724, section 3.1, in the numbers of IPv6's multicast scopes.
unsigned scope_of(const address& of) {
  if (of.is_loopback() || of.is_link_local_unicast()) return link_local;
  if (!of.is_v6() || of.is_4in6()) return global;
  const auto bytes = of.v6_bytes();
  if (of.is_multicast()) return bytes[1] & 0xfU;
  // Deprecated addresses, which the RFC still has.
  if (bytes[0] == 0xfe && (bytes[1] & 0xc0U) == 0xc0) return site_local;
  return global;
}

/// The other half of an IPv6 address names the interface; it tells nothing of the way there.
constexpr std::size_t prefix_bits = 64;

/// What one destination is judged by: the smaller the better, the first that differs decides. This
/// is the order of the RFC's rules; rules that prefer something have it as a false.
struct judgement {
  bool unreachable = true;
  bool scope_differs = false;
  bool label_differs = false;
  unsigned imprecedence = 0;
  unsigned scope = 0;
  std::size_t unlike_source = prefix_bits;
  bool native_v6 = false;  // not compared

  judgement() = default;
  explicit judgement(const destination& of)
      : unreachable(!of.from), native_v6(of.to.is_v6() && !of.to.is_4in6()) {
    if (unreachable) return;
    const policy& wanted = policy_for(of.to);
    scope = scope_of(of.to);
    scope_differs = scope != scope_of(of.from);
    label_differs = wanted.label != policy_for(of.from).label;
    imprecedence = ~wanted.precedence;
    if (of.from.is_v6()) {
      unlike_source -= std::min(common_bits(of.to.v6_bytes(), of.from.v6_bytes()), prefix_bits);
    }
  }

  bool better_than(const judgement& other) const {
    if (unreachable != other.unreachable) return other.unreachable;
    if (scope_differs != other.scope_differs) return other.scope_differs;
    if (label_differs != other.label_differs) return other.label_differs;
    if (imprecedence != other.imprecedence) return imprecedence < other.imprecedence;
    if (scope != other.scope) return scope < other.scope;
    return native_v6 && other.native_v6 && unlike_source < other.unlike_source;
  }
};

}  // namespace

void sort_destinations(std::span<destination> destinations) {
  std::vector<std::pair<judgement, destination>> judged;
  judged.reserve(destinations.size());
  for (auto& each : destinations) judged.emplace_back(judgement(each), std::move(each));
  std::stable_sort(judged.begin(), judged.end(), [](const auto& a, const auto& b) {
    return a.first.better_than(b.first);
  });
  for (std::size_t i = 0; i < judged.size(); ++i) destinations[i] = std::move(judged[i].second);
}

address source_for(const address& to) {
  constexpr std::uint16_t any_port = 53;
  sockaddr_storage storage{};
  const auto size = endpoint(to.unmap(), any_port).to_sockaddr(storage);
  if (!size) return {};
  const int fd = ::socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return {};
  auto* const generic = reinterpret_cast<sockaddr*>(&storage);
  address from;
  if (::connect(fd, generic, static_cast<socklen_t>(*size)) == 0) {
    socklen_t length = sizeof storage;
    if (::getsockname(fd, generic, &length) == 0) {
      if (const auto local = endpoint::from_sockaddr(generic, length)) from = local->address();
    }
  }
  ::close(fd);
  return from;
}

void sort_for_dialing(std::vector<address>& addresses) {
  if (addresses.size() < 2) return;
  std::vector<destination> destinations;
  destinations.reserve(addresses.size());
  for (auto& to : addresses) {
    address from = source_for(to);
    destinations.push_back({std::move(to), std::move(from)});
  }
  sort_destinations(destinations);
  for (std::size_t i = 0; i < addresses.size(); ++i) addresses[i] = std::move(destinations[i].to);
}

}  // namespace ringo::net::detail
