#include <ringo/defer.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <vector>

#include <ringo/go.hpp>
#include <ringo/sync/wait_group.hpp>

#include "support/run_on.hpp"

using namespace ringo::test;

TEST_CASE("defer: runs at the end of its scope, several in reverse order") {
  std::vector<int> order;
  {
    const ringo::defer first{[&] { order.push_back(1); }};
    const ringo::defer second{[&] { order.push_back(2); }};
    order.push_back(0);
  }
  CHECK(order == std::vector<int>{0, 2, 1});
}

TEST_CASE("defer: runs however the scope is left") {
  int runs = 0;
  const auto returns = [&] {
    const ringo::defer guard{[&] { ++runs; }};
    return runs;
  };
  CHECK(returns() == 0);
  CHECK(runs == 1);
  const auto throws = [&] {
    const ringo::defer guard{[&] { ++runs; }};
    throw std::runtime_error("out");
  };
  CHECK_THROWS_AS(throws(), std::runtime_error);
  CHECK(runs == 2);
  for (int i = 0; i < 3; ++i) {
    const ringo::defer guard{[&] { ++runs; }};
    if (i == 1) break;
  }
  CHECK(runs == 4);
}

TEST_CASE("defer: owns what it captured") {
  auto owned = std::make_unique<int>(5);
  int seen = 0;
  {
    const ringo::defer guard{[&seen, value = std::move(owned)] { seen = *value; }};
    CHECK(owned == nullptr);  // NOLINT(bugprone-use-after-move): what is tested
  }
  CHECK(seen == 5);
}

TEST_CASE("defer: runs when a fiber ends by goexit, and may park") {
  run_on_each([] {
    std::vector<int> order;
    ringo::wait_group group;
    group.go([&] {
      const ringo::defer outer{[&] { order.push_back(2); }};
      const ringo::defer inner{[&] {
        ringo::yield();
        order.push_back(1);
      }};
      ringo::goexit();
    });
    group.wait();
    EXPECT(order == std::vector<int>{1, 2});
  });
}
