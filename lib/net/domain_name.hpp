#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ringo::net::detail {

/// Whether DNS may be asked for `name`: labels of 1 to 63 letters, digits, '-' and '_', none of
/// which begins or ends with '-', in all at most 253 characters, a dot at the end aside; not all
/// digits, which is some way to write an IPv4 address. As Go has it.
bool is_domain_name(std::string_view name);

/// In small letters, as far as they are ASCII: names differ in no other way.
std::string lower_case(std::string_view name);

/// "localhost" and what is under it (RFC 6761): no business of servers. In small letters.
bool is_localhost(std::string_view name);

/// The absolute names to ask for, first to last, by the rules of resolv.conf(5): `name` as it is
/// first when it has `ndots` dots or more, else last; between them with each suffix of `search`.
/// One that ends in a dot is absolute. Names under .onion are none of DNS (RFC 7686).
std::vector<std::string> names_to_try(std::string_view name,
                                      const std::vector<std::string>& search,
                                      std::size_t ndots);

}  // namespace ringo::net::detail
