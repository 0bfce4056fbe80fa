#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include <ringo/net/endpoint.hpp>
#include <ringo/result.hpp>

namespace ringo::net::detail {

/// Until when to try the first of `endpoints_left` endpoints, when all must be tried by `deadline`:
/// each gets an equal share of the time, but two seconds, or what there is, at least; those at the
/// end may get none. Empty: there is no deadline. Error: errc::deadline_exceeded, it has passed.
/// Source: Go's net package, partialDeadline.
result<std::optional<std::chrono::steady_clock::time_point>> partial_deadline(
    std::chrono::steady_clock::time_point now,
    std::optional<std::chrono::steady_clock::time_point> deadline,
    std::size_t endpoints_left);

/// Endpoints that are tried side by side, in two lists of one family each.
struct dial_plan {
  std::vector<endpoint> primaries;  ///< of the family of the first
  std::vector<endpoint> fallbacks;
};

/// Each list in the order of `endpoints`. An IPv4 address in an IPv6 one counts as IPv4.
dial_plan plan_dial(std::span<const endpoint> endpoints);

}  // namespace ringo::net::detail
