#include "net/dial_plan.hpp"

#include <algorithm>

#include <ringo/detail/assert.hpp>
#include <ringo/error.hpp>

namespace ringo::net::detail {

using std::chrono::steady_clock;

result<std::optional<steady_clock::time_point>> partial_deadline(
    steady_clock::time_point now,
    std::optional<steady_clock::time_point> deadline,
    std::size_t endpoints_left) {
  RINGO_ASSERT(endpoints_left > 0);
  if (!deadline) return deadline;
  const auto left = *deadline - now;
  if (left <= steady_clock::duration::zero()) return errc::deadline_exceeded;
  // Less is no trial: one lost packet costs a second.
  constexpr steady_clock::duration share_min = std::chrono::seconds(2);
  const auto share = left / static_cast<steady_clock::rep>(endpoints_left);
  return std::optional(now + std::min(std::max(share, share_min), left));
}

dial_plan plan_dial(std::span<const endpoint> endpoints) {
  const auto is_v4 = [](const endpoint& each) {
    return each.address().is_v4() || each.address().is_4in6();
  };
  dial_plan plan;
  for (const auto& each : endpoints) {
    const bool primary = is_v4(each) == is_v4(endpoints.front());
    (primary ? plan.primaries : plan.fallbacks).push_back(each);
  }
  return plan;
}

}  // namespace ringo::net::detail
