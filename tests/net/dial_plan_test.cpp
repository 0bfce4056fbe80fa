// What is decided before anything is dialled.

#include "net/dial_plan.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <ringo/error.hpp>

using namespace std::chrono_literals;
using ringo::net::endpoint;
using ringo::net::detail::partial_deadline;
using ringo::net::detail::plan_dial;
using time_point = std::chrono::steady_clock::time_point;

namespace {

std::vector<endpoint> endpoints(const std::vector<const char*>& texts) {
  std::vector<endpoint> made;
  for (const char* text : texts) made.push_back(endpoint::parse(text).value());
  return made;
}

}  // namespace

TEST_CASE("NT-25: the time that is left is shared out evenly, two seconds at least") {
  const time_point base(100h);
  const std::optional<time_point> none;
  const struct {
    time_point now;
    std::optional<time_point> deadline;
    std::size_t left;
    std::optional<time_point> wanted;  // empty, with a deadline: it has passed
  } rows[] = {
      {base, base + 12s, 1, base + 12s},
      {base, base + 12s, 2, base + 6s},
      {base, base + 12s, 3, base + 4s},
      {base, base + 12s, 999, base + 2s},
      {base, base + 1900ms, 999, base + 1900ms},
      {base, none, 1, none},
      {base - 1ms, base, 1, base},
      {base, base, 1, none},
      {base + 1ms, base, 1, none},
      {base, time_point::max(), 2, base + (time_point::max() - base) / 2},
  };
  for (const auto& row : rows) {
    CAPTURE(&row - rows);
    const auto got = partial_deadline(row.now, row.deadline, row.left);
    if (row.deadline && !row.wanted) {
      CHECK(got.error() == make_error_code(ringo::errc::deadline_exceeded));
    } else {
      REQUIRE(got);
      CHECK((*got == row.wanted));
    }
  }
}

TEST_CASE("NT-26: the family of the first endpoint goes first") {
  const auto v4_first = plan_dial(
      endpoints({"1.2.3.4:80", "[::1]:80", "5.6.7.8:80", "[::2]:80", "[::ffff:1.1.1.1]:80"}));
  CHECK(v4_first.primaries == endpoints({"1.2.3.4:80", "5.6.7.8:80", "[::ffff:1.1.1.1]:80"}));
  CHECK(v4_first.fallbacks == endpoints({"[::1]:80", "[::2]:80"}));
  const auto v6_first = plan_dial(endpoints({"[::1]:80", "1.2.3.4:80"}));
  CHECK(v6_first.primaries == endpoints({"[::1]:80"}));
  CHECK(v6_first.fallbacks == endpoints({"1.2.3.4:80"}));
  CHECK(plan_dial({}).primaries.empty());
  CHECK(plan_dial(endpoints({"1.2.3.4:80"})).fallbacks.empty());
}
