#include "fiber/fiber.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <set>
#include <thread>
#include <vector>

#include "support/sizes.hpp"

using namespace ringo::test;
using namespace ringo::detail;

namespace {

using hold_outcome = fiber::hold_outcome;

constexpr auto hold_rounds = sizes::pick<sizes::count>(3'000, 2'000, 1'000);

/// A block of the registry for the length of a scope.
class borrowed {
 public:
  borrowed() { fiber_registry::instance().take(&block_, 1); }
  borrowed(const borrowed&) = delete;
  borrowed& operator=(const borrowed&) = delete;
  ~borrowed() {
    block_->set(fiber_state::unused);
    fiber_registry::instance().give_back(&block_, 1);
  }
  fiber* operator->() const { return block_; }
  fiber& operator*() const { return *block_; }

 private:
  fiber* block_ = nullptr;
};

/// Threads that start each round together: the place where they can meet is small.
class rendezvous {
 public:
  explicit rendezvous(unsigned parties) : parties_(parties) {}
  void arrive() {
    const unsigned round = round_;
    if (waiting_.fetch_add(1) + 1 == parties_) {
      waiting_ = 0;
      ++round_;
      round_.notify_all();
      return;
    }
    round_.wait(round);
  }

 private:
  const unsigned parties_;
  std::atomic<unsigned> waiting_{0};
  std::atomic<unsigned> round_{0};
};

}  // namespace

TEST_CASE("fiber: a wake-up makes a parked fiber runnable, and the waker queues it") {
  const borrowed f;
  f->set(fiber_state::parked);
  CHECK(f->wake());
  CHECK(f->current_state() == fiber_state::runnable);
  f->resumed();
  CHECK(f->current_state() == fiber_state::running);
}

TEST_CASE("fiber: only a parked fiber can be held, and by one at a time") {
  const borrowed f;
  for (const auto state : {fiber_state::unused, fiber_state::runnable, fiber_state::running}) {
    f->set(state);
    CHECK(f->hold() == hold_outcome::refused);
    CHECK(f->current_state() == state);
  }
  f->set(fiber_state::parked);
  CHECK(f->hold() == hold_outcome::held);
  CHECK(f->hold() == hold_outcome::refused);
  CHECK(f->current_state() == fiber_state::parked);
  CHECK_FALSE(f->release());
  CHECK(f->hold() == hold_outcome::held);
  CHECK_FALSE(f->release());
}

TEST_CASE("fiber: a wake-up of a held fiber is left to whoever lets it go") {
  const borrowed f;
  f->set(fiber_state::parked);
  REQUIRE(f->hold() == hold_outcome::held);
  CHECK_FALSE(f->wake());
  CHECK(f->hold() == hold_outcome::refused);
  CHECK(f->release());
  CHECK(f->current_state() == fiber_state::runnable);
}

TEST_CASE("fiber: a wake-up after the release is the waker's again") {
  const borrowed f;
  f->set(fiber_state::parked);
  REQUIRE(f->hold() == hold_outcome::held);
  REQUIRE_FALSE(f->release());
  CHECK(f->wake());
}

// A waker and two inspectors meet on one parked fiber. In every order exactly one of them must
// queue it, and what an inspector reads of its stack must be over before it runs (the plain
// `memory` lets ThreadSanitizer see that).
TEST_CASE("fiber: in a race of a waker with inspectors it is queued exactly once") {
  constexpr int inspectors = 2;
  const borrowed f;
  rendezvous start(inspectors + 2);
  rendezvous finish(inspectors + 2);
  std::atomic<int> queued{0};
  std::atomic<int> inspected{0};
  std::atomic<int> torn{0};
  int memory = 0;
  const auto run = [&] {  // by whoever queued it
    f->resumed();
    ++memory;
    ++queued;
  };
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    for (std::size_t i = 0; i < hold_rounds; ++i) {
      start.arrive();
      if (f->wake()) run();
      finish.arrive();
    }
  });
  for (int inspector = 0; inspector < inspectors; ++inspector) {
    threads.emplace_back([&] {
      for (std::size_t i = 0; i < hold_rounds; ++i) {
        start.arrive();
        while (queued == 0) {
          const hold_outcome outcome = f->hold();
          if (outcome != hold_outcome::held) {
            if (outcome == hold_outcome::wake_due) run();
            std::this_thread::yield();
            continue;
          }
          ++inspected;
          const int before = memory;
          std::this_thread::yield();
          if (memory != before) ++torn;
          if (f->release()) run();
        }
        finish.arrive();
      }
    });
  }
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < hold_rounds; ++i) {
    queued = 0;
    ++memory;
    f->set(fiber_state::parked);
    start.arrive();
    finish.arrive();
    if (queued != 1 || f->current_state() != fiber_state::running) ++wrong;
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(torn == 0);
  CHECK(inspected > 0);
  CHECK(memory == static_cast<int>(2 * hold_rounds));
}

TEST_CASE("fiber: the registry gives each block to one taker and remembers them all") {
  constexpr std::size_t count = 1'000;
  auto& registry = fiber_registry::instance();
  std::vector<fiber*> blocks(count);
  registry.take(blocks.data(), count);
  const std::set<fiber*> distinct(blocks.begin(), blocks.end());
  CHECK(distinct.size() == count);
  for (fiber* f : blocks) f->set(fiber_state::running);
  std::size_t seen = 0;
  registry.for_each([&](fiber& f) { seen += distinct.count(&f); });
  CHECK(seen == count);
  for (fiber* f : blocks) f->set(fiber_state::unused);
  registry.give_back(blocks.data(), count);

  // Nothing new is needed for as many again.
  std::size_t before = 0;
  registry.for_each([&](fiber&) { ++before; });
  registry.take(blocks.data(), count);
  std::size_t after = 0;
  registry.for_each([&](fiber&) { ++after; });
  CHECK(after == before);
  registry.give_back(blocks.data(), count);
}

TEST_CASE("fiber: a cache gives the block that came back last") {
  fiber_cache cache;
  fiber* const first = cache.take();
  fiber* const second = cache.take();
  CHECK(first != second);
  cache.put(first);
  CHECK(cache.take() == first);
  std::vector<fiber*> many = {first, second};
  for (int i = 0; i < 500; ++i) many.push_back(cache.take());
  CHECK(std::set<fiber*>(many.begin(), many.end()).size() == many.size());
  for (fiber* f : many) cache.put(f);
  cache.flush();
}
