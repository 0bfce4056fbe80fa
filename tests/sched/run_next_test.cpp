#include "sched/run_next.hpp"

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

constexpr auto robbed_rounds = sizes::pick<sizes::count>(200'000, 50'000, 20'000);

}  // namespace

TEST_CASE("run_next: holds one fiber, and put returns the one that was there") {
  const auto blocks = std::make_unique<fiber[]>(2);
  prepare_heavy_fence();
  run_next slot;
  CHECK(slot.empty());
  CHECK(slot.take() == nullptr);
  CHECK(slot.rob() == nullptr);
  CHECK(slot.put(&blocks[0]) == nullptr);
  CHECK(slot.peek() == &blocks[0]);
  CHECK(slot.put(&blocks[1]) == &blocks[0]);
  CHECK(slot.take() == &blocks[1]);
  CHECK(slot.empty());
}

TEST_CASE("run_next: can be robbed when its owner does not use it") {
  const auto blocks = std::make_unique<fiber[]>(1);
  prepare_heavy_fence();
  run_next slot;
  slot.put(&blocks[0]);
  CHECK(slot.rob() == &blocks[0]);
  CHECK(slot.empty());
  CHECK(slot.take() == nullptr);
}

// The owner puts each fiber in and takes out what is there, robbers take it too: every fiber must
// come out exactly once. `notes` is plain, for ThreadSanitizer: what was done before put() is seen
// by whoever gets the fiber.
TEST_CASE("run_next: robbers and the owner never get the same fiber, and none is lost") {
  prepare_heavy_fence();
  for (const unsigned robbers : {1U, 2U, 4U}) {
    CAPTURE(robbers);
    const auto blocks = std::make_unique<fiber[]>(robbed_rounds);
    std::vector<std::atomic<int>> taken(robbed_rounds);
    std::vector<std::size_t> notes(robbed_rounds, 0);
    std::atomic<std::size_t> wrong_notes{0};
    std::atomic<std::size_t> robbed{0};
    std::atomic<bool> over{false};
    run_next slot;
    const auto take = [&](const fiber* f) {
      const auto number = static_cast<std::size_t>(f - blocks.get());
      ++taken[number];
      if (notes[number] != number + 1) ++wrong_notes;
    };
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < robbers; ++i) {
      threads.emplace_back([&] {
        while (!over) {
          if (const fiber* f = slot.rob()) {
            take(f);
            ++robbed;
          } else {
            std::this_thread::yield();
          }
        }
      });
    }
    for (std::size_t i = 0; i < robbed_rounds; ++i) {
      notes[i] = i + 1;
      if (const fiber* displaced = slot.put(&blocks[i])) take(displaced);
      if (i % 64 == 0) std::this_thread::yield();
      if (i % 2 == 0) {
        if (const fiber* f = slot.take()) take(f);
      }
    }
    // Give the robbers something to find even on a busy machine.
    for (int i = 0; robbed == 0 && i < 10'000; ++i) std::this_thread::yield();
    over = true;
    for (auto& thread : threads) thread.join();
    if (const fiber* f = slot.take()) take(f);
    std::size_t wrong = 0;
    for (const auto& count : taken) wrong += count != 1 ? 1 : 0;
    CHECK(wrong == 0);
    CHECK(wrong_notes == 0);
  }
}
