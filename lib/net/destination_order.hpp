#pragma once

#include <span>
#include <vector>

#include <ringo/net/address.hpp>

namespace ringo::net::detail {

/// A destination, and the address that the system would talk to it from; none: it has no route.
struct destination {
  address to;
  address from;
};

/// Sorts by what RFC 6724, section 6, prefers; stable. As Go does, without the rules that ask for
/// more than addresses (3, 4 and 7), and with rule 9 for IPv6 only: it spoils the load balancing
/// that servers of IPv4 addresses do by their order.
void sort_destinations(std::span<destination> destinations);

/// The address that the system would talk to `to` from; none when it has no route. Connects a UDP
/// socket, which sends nothing and does not block.
address source_for(const address& to);

/// `addresses`, the best to connect to first.
void sort_for_dialing(std::vector<address>& addresses);

}  // namespace ringo::net::detail
