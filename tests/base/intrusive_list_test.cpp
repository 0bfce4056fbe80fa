#include <ringo/detail/intrusive_list.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <vector>

#include "support/seed.hpp"

using namespace ringo::test;
using ringo::detail::intrusive_list;
using ringo::detail::intrusive_queue;

namespace {

struct queue_node {
  queue_node* next = nullptr;
};

struct list_node {
  list_node* next = nullptr;
  list_node* prev = nullptr;
  bool linked = false;
};

}  // namespace

TEST_CASE("intrusive_queue: is first in, first out") {
  std::array<queue_node, 5> nodes;
  intrusive_queue<queue_node> queue;
  CHECK(queue.empty());
  CHECK(queue.pop() == nullptr);
  CHECK(queue.front() == nullptr);
  for (int round = 0; round < 3; ++round) {
    for (auto& node : nodes) queue.push(&node);
    CHECK_FALSE(queue.empty());
    for (auto& node : nodes) {
      CHECK(queue.front() == &node);
      CHECK(queue.pop() == &node);
    }
    CHECK(queue.empty());
    CHECK(queue.pop() == nullptr);
  }
}

TEST_CASE("intrusive_queue: splice appends all of another and empties it") {
  std::array<queue_node, 4> nodes;
  intrusive_queue<queue_node> first;
  intrusive_queue<queue_node> second;
  first.splice(second);  // both empty
  CHECK(first.empty());
  second.push(&nodes[0]);
  second.push(&nodes[1]);
  first.splice(second);  // into an empty one
  CHECK(second.empty());
  second.push(&nodes[2]);
  first.splice(second);
  first.splice(second);  // of an empty one
  first.push(&nodes[3]);
  for (auto& node : nodes) CHECK(first.pop() == &node);
  CHECK(first.empty());
  second.push(&nodes[0]);
  CHECK(second.pop() == &nodes[0]);
}

TEST_CASE("intrusive_list: pushes at both ends, pops at the front") {
  std::array<list_node, 4> nodes;
  intrusive_list<list_node> list;
  CHECK(list.pop_front() == nullptr);
  list.push_back(&nodes[1]);
  list.push_back(&nodes[2]);
  list.push_front(&nodes[0]);
  list.push_back(&nodes[3]);
  for (const auto& node : nodes) CHECK(node.linked);
  CHECK(list.front() == &nodes[0]);
  for (auto& node : nodes) {
    CHECK(list.pop_front() == &node);
    CHECK_FALSE(node.linked);
  }
  CHECK(list.empty());
  CHECK(list.front() == nullptr);
}

TEST_CASE("intrusive_list: a node leaves from any place") {
  for (std::size_t gone = 0; gone < 4; ++gone) {
    std::array<list_node, 4> nodes;
    intrusive_list<list_node> list;
    for (auto& node : nodes) list.push_back(&node);
    list.erase(&nodes.at(gone));
    CHECK_FALSE(nodes.at(gone).linked);
    for (std::size_t i = 0; i < 4; ++i) {
      if (i != gone) CHECK(list.pop_front() == &nodes.at(i));
    }
    CHECK(list.empty());
    list.push_back(&nodes.at(gone));
    CHECK(list.pop_front() == &nodes.at(gone));
  }
}

TEST_CASE("intrusive_list: does what a deque does, whatever the order of operations") {
  auto random = generator(7);
  std::vector<list_node> nodes(64);
  std::deque<list_node*> expected;
  intrusive_list<list_node> list;
  for (int step = 0; step < 20'000; ++step) {
    list_node& node = nodes[random() % nodes.size()];
    const auto what = random() % 4;
    if (what == 0 && !expected.empty()) {
      REQUIRE(list.pop_front() == expected.front());
      expected.pop_front();
    } else if (node.linked) {
      list.erase(&node);
      expected.erase(std::find(expected.begin(), expected.end(), &node));
    } else if (what == 1) {
      list.push_front(&node);
      expected.push_front(&node);
    } else {
      list.push_back(&node);
      expected.push_back(&node);
    }
    REQUIRE(list.empty() == expected.empty());
    REQUIRE(list.front() == (expected.empty() ? nullptr : expected.front()));
  }
  for (list_node* node : expected) REQUIRE(list.pop_front() == node);
  CHECK(list.empty());
}
