// The pool.

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <ringo/go.hpp>
#include <ringo/sync/pool.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"
#include "support/tracked.hpp"

using namespace ringo::test;

static_assert(!std::is_copy_constructible_v<ringo::pool<int>>);
static_assert(!std::is_convertible_v<std::function<int()>, ringo::pool<int>>);

namespace {

// clang-format off
//                                                     plain      asan     tsan
constexpr auto stress_rounds = sizes::pick<int>(       10'000,    3'000,   1'000);
constexpr auto pushed        = sizes::pick<std::size_t>(2'000'000, 200'000, 50'000);
// clang-format on

}  // namespace

TEST_CASE("SY-28: get returns what was put, else nothing") {
  const auto check = [] {
    ringo::pool<std::string> pool;
    EXPECT(!pool.get());
    pool.put("a");
    pool.put("b");
    const auto first = pool.get();
    const auto second = pool.get();
    EXPECT(first && second && *first != *second);
    EXPECT(!pool.get());
  };
  check();
  run_on_each(check);
}

TEST_CASE("SY-28: get returns what was put, else what make returns") {
  run_on_each([] {
    int made = 0;
    ringo::pool<int> pool([&] { return ++made; });
    EXPECT_EQ(pool.get(), std::optional<int>(1));
    EXPECT_EQ(pool.get(), std::optional<int>(2));
    pool.put(42);
    EXPECT_EQ(pool.get(), std::optional<int>(42));
    EXPECT_EQ(pool.get(), std::optional<int>(3));
    ringo::pool<int> failing([]() -> int { throw std::runtime_error("cannot make"); });
    bool thrown = false;
    try {
      failing.get();
    } catch (const std::runtime_error&) {
      thrown = true;
    }
    EXPECT(thrown);
    failing.put(1);
    EXPECT_EQ(failing.get(), std::optional<int>(1));
  });
}

TEST_CASE("SY-28: a null pointer is ignored") {
  run_on_each([] {
    ringo::pool<std::unique_ptr<int>> owned;
    owned.put(nullptr);
    EXPECT(!owned.get());
    owned.put(std::make_unique<int>(5));
    const auto value = owned.get();
    EXPECT(value && **value == 5);
    ringo::pool<int*> plain;
    plain.put(nullptr);
    EXPECT(!plain.get());
    ringo::pool<int> numbers;
    numbers.put(0);
    EXPECT_EQ(numbers.get(), std::optional<int>(0));
  });
}

// After Go's TestPoolStress. The values are not atomic: ThreadSanitizer sees whether put and get
// order their uses, and whether two have one at the same time.
TEST_CASE("SY-28: no value is given to two, and what was done before put is seen after get") {
  run_on_each([] {
    ringo::pool<std::unique_ptr<std::vector<int>>> pool(
        [] { return std::make_unique<std::vector<int>>(2); });
    std::atomic<int> uses{0};
    const auto use = [&] {
      for (int i = 0; i < stress_rounds; ++i) {
        auto value = pool.get();
        auto& counts = **value;
        EXPECT_EQ(counts[0], counts[1]);
        ++counts[0];
        if (i % 16 == 0) ringo::yield();
        ++counts[1];
        ++uses;
        pool.put(std::move(*value));
      }
    };
    fiber_group fibers;
    thread_group threads;
    for (int i = 0; i < 8; ++i) fibers.go(use);
    threads.start(use);
    fibers.join();
    threads.join();
    EXPECT_EQ(uses.load(), 9 * stress_rounds);
  });
}

// After Go's TestPoolDequeue. What the pool has no room for vanishes.
TEST_CASE("SY-29: each value that was put is got at most once, by whomever") {
  run_freely_on_each([] {
    ringo::pool<std::size_t> pool;
    std::vector<std::atomic<std::uint8_t>> got(pushed);
    std::atomic<bool> over{false};
    std::atomic<std::size_t> count{0};
    fiber_group fibers;
    for (int i = 0; i < 10; ++i) {
      fibers.go([&] {
        for (;;) {
          const bool last = over;
          while (const auto value = pool.get()) {
            EXPECT_EQ(static_cast<int>(got[*value]++), 0);
            ++count;
          }
          if (last) return;
          ringo::yield();
        }
      });
    }
    for (std::size_t i = 0; i < pushed; ++i) {
      pool.put(i);
      if (i % 32 == 0) ringo::yield();
    }
    over = true;
    fibers.join();
    EXPECT(count > 0);
    EXPECT(count <= pushed);
    EXPECT(!pool.get());
  });
}

TEST_CASE("SY-29: trim, a full pool and the pool's end destroy what it holds") {
  run_on_each([] {
    ledger book;
    {
      ringo::pool<tracked> pool;
      for (int i = 0; i < 10; ++i) pool.put(tracked(book, i));
      EXPECT_EQ(book.values.load(), 10);
      pool.trim();
      EXPECT_EQ(book.live.load(), 0);
      EXPECT(!pool.get());
      for (int i = 0; i < 5'000; ++i) pool.put(tracked(book, i));
      EXPECT(book.live > 0);
      EXPECT(book.live <= 1'024);
    }
    EXPECT_EQ(book.live.load(), 0);
    EXPECT_EQ(book.copies.load(), 0);
  });
}

TEST_CASE("pool: works before, between and after runs") {
  ringo::pool<int> pool;
  pool.put(1);
  run_on_each([&] {
    const auto value = pool.get();
    EXPECT_EQ(value, std::optional<int>(1));
    pool.put(*value);
  });
  CHECK(pool.get() == std::optional<int>(1));
}
