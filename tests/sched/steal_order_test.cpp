#include "sched/steal_order.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

using ringo::detail::steal_order;

namespace {

std::vector<std::uint32_t> visited(std::uint32_t count, std::uint32_t start, std::uint32_t step) {
  steal_order order(count, start, step);
  std::vector<std::uint32_t> result;
  for (std::uint32_t i = 0; i < count; ++i) result.push_back(order.next());
  return result;
}

}  // namespace

// After Go's TestStealOrder.
TEST_CASE("GR-22: a thief visits every victim once, whatever it draws") {
  for (std::uint32_t count = 1; count <= 40; ++count) {
    CAPTURE(count);
    for (std::uint32_t start = 0; start < count; ++start) {
      for (std::uint32_t step = 0; step < count; ++step) {
        const auto order = visited(count, start, step);
        REQUIRE(order.front() == start);
        REQUIRE(std::set<std::uint32_t>(order.begin(), order.end()).size() == count);
        REQUIRE(order.back() < count);
      }
    }
  }
}

TEST_CASE("GR-22: different draws give different orders") {
  std::set<std::vector<std::uint32_t>> orders;
  for (std::uint32_t start = 0; start < 8; ++start) {
    for (std::uint32_t step = 0; step < 8; ++step) orders.insert(visited(8, start, step));
  }
  CHECK(orders.size() == 8U * 4U);  // 1, 3, 5 and 7 share no factor with 8
}
