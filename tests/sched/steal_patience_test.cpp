#include "sched/steal_patience.hpp"

#include <doctest/doctest.h>

#include <chrono>

using namespace ringo::detail;

namespace {

constexpr time_point start{std::chrono::hours(1)};
constexpr auto soon = steal_patience::patience / 2;
constexpr auto late = steal_patience::patience;

}  // namespace

TEST_CASE("steal_patience: what still waits after a while may be stolen") {
  fiber waiting[2];
  run_queue queue;
  steal_patience thief;
  thief.reserve(1);
  queue.push(&waiting[0]);
  queue.push(&waiting[1]);
  CHECK_FALSE(thief.is_over(0, queue, start));
  CHECK_FALSE(thief.is_over(0, queue, start + soon));
  CHECK(thief.is_over(0, queue, start + late));
  // One of two has run: the other one has waited all the time.
  queue.pop();
  CHECK(thief.is_over(0, queue, start + late));
}

TEST_CASE("steal_patience: a queue that its owner empties in time is left alone") {
  fiber waiting[8];
  run_queue queue;
  steal_patience thief;
  thief.reserve(1);
  time_point now = start;
  queue.push(&waiting[0]);
  for (int round = 1; round < 1'000; ++round) {
    CHECK_FALSE(thief.is_over(0, queue, now));
    queue.push(&waiting[round % 8]);
    queue.pop();
    now += late;
  }
}

TEST_CASE("steal_patience: victims are judged apart") {
  fiber waiting;
  run_queue slow;
  run_queue quick;
  steal_patience thief;
  thief.reserve(2);
  slow.push(&waiting);
  CHECK_FALSE(thief.is_over(0, slow, start));
  CHECK_FALSE(thief.is_over(1, quick, start + soon));
  thief.reserve(300);  // keeps what it has seen
  CHECK(thief.is_over(0, slow, start + late));
  CHECK_FALSE(thief.is_over(1, quick, start + late));
}
