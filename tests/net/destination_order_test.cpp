// Which destination comes first. The lists are those of RFC 6724, section 10.2, and Go's.

#include "net/destination_order.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using ringo::net::address;
using ringo::net::detail::destination;
using ringo::net::detail::sort_destinations;
using ringo::net::detail::sort_for_dialing;
using ringo::net::detail::source_for;

namespace {

address parsed(std::string_view text) {
  return address::parse(text).value();
}

/// Destination and source; "" is no route.
using pair_of_texts = std::pair<const char*, const char*>;

std::vector<std::string> sorted(const std::vector<pair_of_texts>& pairs) {
  std::vector<destination> destinations;
  for (const auto& [to, from] : pairs) {
    destinations.push_back({parsed(to), *from != '\0' ? parsed(from) : address()});
  }
  sort_destinations(destinations);
  std::vector<std::string> texts;
  for (const auto& each : destinations) texts.push_back(each.to.to_string());
  return texts;
}

/// The better one first, whatever comes first in the list.
struct preference {
  const char* rule;
  pair_of_texts better;
  pair_of_texts worse;
};

const preference preferences[] = {
    {"1: a route", {"192.0.2.1", "198.51.100.1"}, {"2001:db8:1::1", ""}},
    {"2: matching scope", {"2001:db8:1::1", "2001:db8:1::2"}, {"198.51.100.121", "169.254.13.78"}},
    {"2: matching scope", {"198.51.100.121", "198.51.100.117"}, {"2001:db8:1::1", "fe80::1"}},
    {"5: matching label",
     {"2002:c633:6401::1", "2002:c633:6401::2"},
     {"2001:db8:1::1", "2002:c633:6401::2"}},
    {"6: precedence", {"2001:db8:1::1", "2001:db8:1::2"}, {"10.1.2.3", "10.1.2.4"}},
    {"6: precedence",
     {"2001:db8:1::1", "2001:db8:1::2"},
     {"2002:c633:6401::1", "2002:c633:6401::2"}},
    {"6: precedence", {"10.1.2.3", "10.1.2.4"}, {"fd00::1", "fd00::2"}},
    {"6: precedence", {"192.0.2.1", "192.0.2.2"}, {"2001:0:5::1", "2001:0:6::1"}},
    {"6: precedence", {"::1", "::1"}, {"127.0.0.1", "127.0.0.1"}},
    {"8: smaller scope", {"fe80::1", "fe80::2"}, {"2001:db8:1::1", "2001:db8:1::2"}},
    {"8: smaller scope", {"ff02::1", "fe80::2"}, {"ff02::2", ""}},
    {"9: longer prefix",
     {"2001:db8:1::1", "2001:db8:1::2"},
     {"2001:db8:3ffe::1", "2001:db8:3f44::2"}},
};

}  // namespace

TEST_CASE("NT-30: of two destinations the one that RFC 6724 prefers comes first") {
  for (const auto& row : preferences) {
    const auto& better = row.better;
    const auto& worse = row.worse;
    CAPTURE(row.rule);
    CAPTURE(better.first);
    CAPTURE(worse.first);
    const std::vector<std::string> wanted{better.first, worse.first};
    CHECK(sorted({better, worse}) == wanted);
    CHECK(sorted({worse, better}) == wanted);
  }
}

TEST_CASE("NT-30: equal destinations stay in the order of the answer") {
  // A source of 10/8 is no reason to prefer 23/8: rule 9 is not for IPv4.
  const std::vector<std::string> servers{"54.83.193.112",
                                         "184.72.238.214",
                                         "23.23.172.185",
                                         "75.101.148.21",
                                         "23.23.134.56",
                                         "23.21.50.150"};
  std::vector<pair_of_texts> routed;
  std::vector<pair_of_texts> unrouted;
  for (const auto& server : servers) {
    routed.emplace_back(server.c_str(), "10.2.3.4");
    unrouted.emplace_back(server.c_str(), "");
  }
  CHECK(sorted(routed) == servers);
  CHECK(sorted(unrouted) == servers);
  // Beyond 64 bits a common prefix says nothing.
  CHECK(sorted({{"2001:db8::f", "2001:db8::1"}, {"2001:db8::2", "2001:db8::3"}}).front() ==
        "2001:db8::f");
}

TEST_CASE("NT-30: the source is what the system would choose") {
  CHECK(source_for(parsed("127.0.0.1")) == parsed("127.0.0.1"));
  CHECK(source_for(parsed("::ffff:127.0.0.1")) == parsed("127.0.0.1"));
  CHECK(!source_for(parsed("fe80::1%nosuch0")));
  CHECK(!source_for(address()));
}

TEST_CASE("NT-30: what cannot be reached goes behind what can") {
  const address unreachable = parsed("fe80::1%nosuch0");
  std::vector<address> addresses{unreachable, parsed("127.0.0.1")};
  sort_for_dialing(addresses);
  CHECK(addresses == std::vector<address>{parsed("127.0.0.1"), unreachable});
  std::vector<address> one{unreachable};
  sort_for_dialing(one);
  CHECK(one.front() == unreachable);
  std::vector<address> none;
  sort_for_dialing(none);
  CHECK(none.empty());
}
