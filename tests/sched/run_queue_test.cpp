#include "sched/run_queue.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "support/seed.hpp"
#include "support/sizes.hpp"

using namespace ringo::test;
using namespace ringo::detail;

namespace {

constexpr auto stolen_fibers = sizes::pick<sizes::count>(400'000, 100'000, 50'000);

/// Fibers that only lie in queues; each can tell its number.
class fibers {
 public:
  explicit fibers(std::size_t count)
      : blocks_(std::make_unique<fiber[]>(count)), taken_(count), count_(count) {}
  fiber* at(std::size_t i) { return &blocks_[i]; }
  std::size_t number(const fiber* f) const { return static_cast<std::size_t>(f - blocks_.get()); }
  void take(const fiber* f) { ++taken_[number(f)]; }
  std::size_t not_taken_once() const {
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < count_; ++i) wrong += taken_[i] != 1 ? 1 : 0;
    return wrong;
  }

 private:
  std::unique_ptr<fiber[]> blocks_;
  std::vector<std::atomic<int>> taken_;
  std::size_t count_;
};

}  // namespace

TEST_CASE("run_queue: is first in, first out") {
  fibers all(1'000);
  run_queue queue;
  std::size_t pushed = 0;
  std::size_t popped = 0;
  CHECK(queue.pop() == nullptr);
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 100; ++i) REQUIRE(queue.push(all.at(pushed++)));
    for (int i = 0; i < 75 + 3 * round; ++i) REQUIRE(queue.pop() == all.at(popped++));
    CHECK(queue.size() == pushed - popped);
  }
  while (popped < pushed) REQUIRE(queue.pop() == all.at(popped++));
  CHECK(queue.empty());
  CHECK(queue.pop() == nullptr);
}

TEST_CASE("run_queue: shows its oldest fibers and keeps them") {
  fibers all(2 * run_queue::capacity);
  run_queue queue;
  const auto shown = [&](std::uint32_t limit) {
    std::vector<std::size_t> numbers;
    queue.peek(limit, [&](const fiber& f) { numbers.push_back(all.number(&f)); });
    return numbers;
  };
  CHECK(shown(3).empty());
  // The ring begins anew between them.
  std::size_t popped = 0;
  for (; popped < run_queue::capacity - 2; ++popped) {
    REQUIRE(queue.push(all.at(popped)));
    REQUIRE(queue.pop() == all.at(popped));
  }
  for (std::size_t i = 0; i < 4; ++i) REQUIRE(queue.push(all.at(popped + i)));
  CHECK(shown(3) == std::vector<std::size_t>{popped, popped + 1, popped + 2});
  CHECK(shown(64).size() == 4);
  CHECK(queue.size() == 4);
}

TEST_CASE("run_queue: says when it is full, and takes one more for each that leaves") {
  fibers all(run_queue::capacity + 2);
  run_queue queue;
  for (std::size_t i = 0; i < run_queue::capacity; ++i) REQUIRE(queue.push(all.at(i)));
  CHECK(queue.size() == run_queue::capacity);
  CHECK_FALSE(queue.push(all.at(run_queue::capacity)));
  CHECK(queue.pop() == all.at(0));
  CHECK(queue.push(all.at(run_queue::capacity)));
  CHECK_FALSE(queue.push(all.at(run_queue::capacity + 1)));
}

TEST_CASE("run_queue: a thief takes the older half, rounded up") {
  for (const std::size_t queued : {0UL, 1UL, 2UL, 3UL, 10UL, 255UL, 256UL}) {
    CAPTURE(queued);
    fibers all(queued + 1);
    run_queue victim;
    run_queue thief;
    for (std::size_t i = 0; i < queued; ++i) REQUIRE(victim.push(all.at(i)));
    fiber* const first = victim.steal_half(thief);
    const std::size_t stolen = queued - queued / 2;
    CHECK((first != nullptr) == (queued > 0));
    CHECK(victim.size() == queued / 2);
    CHECK(thief.size() == (queued == 0 ? 0 : stolen - 1));
    if (first != nullptr) all.take(first);
    while (const fiber* f = thief.pop()) {
      CHECK(all.number(f) < stolen);
      all.take(f);
    }
    std::size_t expected = stolen;
    while (const fiber* f = victim.pop()) {
      CHECK(all.number(f) == expected++);
      all.take(f);
    }
    all.take(all.at(queued));
    CHECK(all.not_taken_once() == 0);
  }
}

TEST_CASE("run_queue: the owner moves the older half out") {
  fibers all(run_queue::capacity);
  run_queue queue;
  for (std::size_t i = 0; i < run_queue::capacity; ++i) REQUIRE(queue.push(all.at(i)));
  fiber* out[run_queue::capacity / 2];
  CHECK(queue.take_half(out) == run_queue::capacity / 2);
  for (std::size_t i = 0; i < run_queue::capacity / 2; ++i) CHECK(out[i] == all.at(i));
  CHECK(queue.size() == run_queue::capacity / 2);
  CHECK(queue.pop() == all.at(run_queue::capacity / 2));
}

TEST_CASE("run_queue: goes round and round its ring") {
  fibers all(3);
  run_queue queue;
  for (std::size_t i = 0; i < 10'000; ++i) {
    if (!queue.push(all.at(i % 3)) || queue.pop() != all.at(i % 3)) FAIL("at " << i);
  }
  CHECK(queue.empty());
}

// The owner pushes, pops and moves halves out while thieves steal: every fiber comes out once. What
// the owner wrote before the push is read by the taker, so that ThreadSanitizer checks the order.
TEST_CASE("run_queue: under thieves nothing is lost or taken twice") {
  for (const unsigned thieves : {1U, 2U, 4U}) {
    CAPTURE(thieves);
    fibers all(stolen_fibers);
    std::vector<std::size_t> notes(stolen_fibers, 0);
    std::atomic<std::size_t> wrong_notes{0};
    run_queue queue;
    std::atomic<bool> over{false};
    const auto take = [&](fiber* f) {
      if (notes[all.number(f)] != all.number(f) + 1) ++wrong_notes;
      all.take(f);
    };
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < thieves; ++i) {
      threads.emplace_back([&] {
        run_queue mine;
        for (;;) {
          const bool last_round = over;
          while (fiber* f = queue.steal_half(mine)) {
            take(f);
            while (fiber* more = mine.pop()) take(more);
          }
          if (last_round) return;
          std::this_thread::yield();
        }
      });
    }
    auto random = generator(thieves);
    for (std::size_t i = 0; i < stolen_fibers;) {
      notes[i] = i + 1;
      if (queue.push(all.at(i))) {
        ++i;
        if (random() % 3 != 0) continue;
        if (fiber* f = queue.pop()) take(f);
      } else if (random() % 2 == 0) {
        fiber* out[run_queue::capacity / 2];
        const std::uint32_t count = queue.take_half(out);
        for (std::uint32_t k = 0; k < count; ++k) take(out[k]);
      } else {
        std::this_thread::yield();
      }
    }
    over = true;
    for (auto& thread : threads) thread.join();
    while (fiber* f = queue.pop()) take(f);
    CHECK(all.not_taken_once() == 0);
    CHECK(wrong_notes == 0);
  }
}
