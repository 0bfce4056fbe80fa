#include "sched/inject_queue.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include "support/sizes.hpp"

using namespace ringo::test;
using namespace ringo::detail;

namespace {

constexpr auto injected_fibers = sizes::pick<sizes::count>(100'000, 50'000, 20'000);

}  // namespace

TEST_CASE("inject_queue: is first in, first out, one by one and in batches") {
  const auto blocks = std::make_unique<fiber[]>(10);
  inject_queue queue;
  fiber* out[10] = {};
  CHECK(queue.empty());
  CHECK(queue.take(out, 10) == 0);
  queue.push(&blocks[0]);
  fiber* some[] = {&blocks[1], &blocks[2], &blocks[3]};
  queue.push_all(some, 3);
  queue.push(&blocks[4]);
  CHECK(queue.size() == 5);
  CHECK(queue.take(out, 2) == 2);
  CHECK(out[0] == &blocks[0]);
  CHECK(out[1] == &blocks[1]);
  CHECK(queue.take(out, 10) == 3);
  CHECK(out[0] == &blocks[2]);
  CHECK(out[2] == &blocks[4]);
  CHECK(queue.empty());
}

TEST_CASE("inject_queue: many threads put in and take out each fiber once") {
  constexpr std::size_t producers = 4;
  const auto blocks = std::make_unique<fiber[]>(producers * injected_fibers);
  std::vector<std::atomic<int>> taken(producers * injected_fibers);
  std::atomic<std::size_t> out_of_order{0};
  std::atomic<std::size_t> total{0};
  inject_queue queue;
  std::vector<std::thread> threads;
  for (std::size_t producer = 0; producer < producers; ++producer) {
    threads.emplace_back([&, producer] {
      fiber* const mine = &blocks[producer * injected_fibers];
      for (std::size_t i = 0; i < injected_fibers;) {
        if (i % 3 == 0 && i + 2 <= injected_fibers) {
          fiber* pair[] = {mine + i, mine + i + 1};
          queue.push_all(pair, 2);
          i += 2;
        } else {
          queue.push(mine + i++);
        }
      }
    });
  }
  for (int consumer = 0; consumer < 2; ++consumer) {
    threads.emplace_back([&] {
      std::vector<const fiber*> last(producers, nullptr);
      while (total < producers * injected_fibers) {
        fiber* out[16];
        const std::uint32_t count = queue.take(out, 16);
        if (count == 0) std::this_thread::yield();
        for (std::uint32_t i = 0; i < count; ++i) {
          const auto number = static_cast<std::size_t>(out[i] - blocks.get());
          ++taken[number];
          const fiber*& before = last[number / injected_fibers];
          if (before != nullptr && before >= out[i]) ++out_of_order;
          before = out[i];
        }
        total += count;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  std::size_t wrong = 0;
  for (const auto& count : taken) wrong += count != 1 ? 1 : 0;
  CHECK(wrong == 0);
  CHECK(out_of_order == 0);
  CHECK(queue.empty());
}
