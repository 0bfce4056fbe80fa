#include "fiber/stack.hpp"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include "support/heap.hpp"
#include "support/seed.hpp"
#include "support/sizes.hpp"

using namespace ringo::test;
using namespace ringo::detail;

namespace {

// Sizes that no other test of this program uses, so that each test has a pool of its own.
constexpr std::size_t trim_size = std::size_t{64} << 10;
constexpr std::size_t reuse_size = std::size_t{128} << 10;
constexpr std::size_t spread_size = std::size_t{512} << 10;
constexpr std::size_t thread_size = std::size_t{32} << 10;

constexpr auto pool_rounds = sizes::pick<sizes::count>(20'000, 5'000, 2'000);
constexpr auto stacks_beyond_warm = sizes::pick<sizes::count>(300, 300, 300);
constexpr std::size_t warm_max = 1024;  // of stack.cpp

std::vector<stack> take(std::size_t size, std::size_t count) {
  std::vector<stack> stacks(count);
  std::size_t have = 0;
  while (have < count) {
    const std::size_t got =
        stack_pool::of(size).take(stacks.data() + have, std::min(count - have, stack_batch_max));
    REQUIRE(got > 0);
    have += got;
  }
  return stacks;
}

/// Above the guard.
std::size_t resident_pages(const stack& s) {
  std::vector<unsigned char> pages((s.size - guard_size) / page_size);
  REQUIRE(::mincore(s.base + guard_size, s.size - guard_size, pages.data()) == 0);
  return static_cast<std::size_t>(std::count_if(
      pages.begin(), pages.end(), [](unsigned char page) { return (page & 1) != 0; }));
}

/// Whether the kernel can read there; asked of it, so that a guard does not end the test.
bool readable(const void* address) {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const bool ok = ::write(ends[1], address, 1) == 1;
  const bool fault = errno == EFAULT;
  ::close(ends[0]);
  ::close(ends[1]);
  CHECK((ok || fault));
  return ok;
}

}  // namespace

TEST_CASE("stack: sizes are rounded up to a power of two") {
  struct row {
    std::size_t asked;
    std::size_t given;
  };
  constexpr row rows[] = {
      {1, stack_size_min},
      {stack_size_min - 1, stack_size_min},
      {stack_size_min, stack_size_min},
      {stack_size_min + 1, 2 * stack_size_min},
      {stack_size_default, stack_size_default},
      {300 * 1024, 512 * 1024},
      {stack_size_max - 1, stack_size_max},
      {stack_size_max, stack_size_max},
  };
  for (const row& each : rows) {
    CAPTURE(each.asked);
    CHECK(stack_size_rounded(each.asked) == each.given);
  }
}

TEST_CASE("stack: each size is handed out on whole pages") {
  for (std::size_t size = stack_size_min; size <= stack_size_max; size *= 4) {
    CAPTURE(size);
    const stack one = take(size, 1).front();
    CHECK(one.size == size);
    CHECK(reinterpret_cast<std::uintptr_t>(one.base) % page_size == 0);
    CHECK(one.top() > one.base + size / 2);
    CHECK(one.top() <= one.base + size);
    CHECK(reinterpret_cast<std::uintptr_t>(one.top()) % 16 == 0);
    stack_pool::of(size).give_back(&one, 1);
  }
}

TEST_CASE("stack: tops are spread over cache sets") {
  const auto stacks = take(spread_size, 64);
  std::set<std::uintptr_t> offsets;
  for (const stack& s : stacks) {
    offsets.insert(reinterpret_cast<std::uintptr_t>(s.top()) % page_size / cache_line);
  }
  CHECK(offsets.size() == 16);
  stack_pool::of(spread_size).give_back(stacks.data(), stacks.size());
}

TEST_CASE("stack: topmost pages are spread over the sets of a TLB") {
  constexpr std::size_t sets = 256;  // of the largest that are common; they go by the page's number
  for (const std::size_t size : {stack_size_min, stack_size_default, spread_size}) {
    CAPTURE(size);
    const auto stacks = take(size, sets);
    std::set<std::uintptr_t> taken;
    for (const stack& s : stacks) {
      taken.insert(reinterpret_cast<std::uintptr_t>(s.top() - 1) / page_size % sets);
    }
    // Slabs begin anywhere, so that some may meet.
    CHECK(taken.size() >= sets / 4);
    stack_pool::of(size).give_back(stacks.data(), stacks.size());
  }
}

TEST_CASE("stack: everything between guard and top can be used") {
  for (const std::size_t size : {stack_size_min, stack_size_default}) {
    const stack one = take(size, 1).front();
    for (std::byte* page = one.base + guard_size; page < one.top(); page += page_size) {
      *page = std::byte{1};
    }
    one.top()[-1] = std::byte{1};
    stack_pool::of(size).give_back(&one, 1);
  }
}

TEST_CASE("stack: the guard cannot be read") {
  const stack one = take(stack_size_default, 1).front();
  for (std::size_t offset = 0; offset < guard_size; offset += page_size) {
    CHECK_FALSE(readable(one.base + offset));
    CHECK(one.in_guard(one.base + offset));
  }
  CHECK_FALSE(readable(one.base + guard_size - 1));
  CHECK(one.in_guard(one.base + guard_size - 1));
  CHECK(readable(one.base + guard_size));
  CHECK_FALSE(one.in_guard(one.base + guard_size));
  CHECK_FALSE(one.in_guard(one.base - 1));
  CHECK_FALSE(one.in_guard(nullptr));
  CHECK(stacks_without_guard() == 0);
  stack_pool::of(stack_size_default).give_back(&one, 1);
}

TEST_CASE("stack: an untouched stack has at most one page of memory") {
  const stack one = take(std::size_t{4} << 20, 1).front();
  CHECK(resident_pages(one) <= 1);
  stack_pool::of(one.size).give_back(&one, 1);
}

// The pool keeps some unused stacks as they are and gives back the pages of the others.
TEST_CASE("stack: trim gives the memory of unused stacks back") {
  auto& pool = stack_pool::of(trim_size);
  const auto stacks = take(trim_size, warm_max + stacks_beyond_warm);
  for (const stack& s : stacks) {
    std::memset(s.base + s.size - 4 * page_size, 1, 4 * page_size);
  }
  // A worker does it as a fiber ends, or has nothing to do: when nobody could be told that there is
  // no memory.
  const std::size_t heap = heap_in_use();
  pool.give_back(stacks.data(), stacks.size());
  std::size_t steps = 1;
  while (pool.trim(16)) ++steps;
  const std::size_t heap_then = heap_in_use();
  CHECK(heap_then <= heap);
  CHECK(steps >= stacks_beyond_warm / 16);
  CHECK(pool.unused() == stacks.size());
  const auto empty = std::count_if(
      stacks.begin(), stacks.end(), [](const stack& s) { return resident_pages(s) == 0; });
  CHECK(static_cast<std::size_t>(empty) == stacks_beyond_warm);
  CHECK_FALSE(pool.trim(16));

  // They are as good as new: guarded, and zero.
  const auto again = take(trim_size, stacks.size());
  CHECK(pool.unused() == 0);
  for (const stack& s : again) {
    REQUIRE_FALSE(readable(s.base));
    s.top()[-1] = std::byte{1};
  }
  pool.give_back(again.data(), again.size());
}

TEST_CASE("stack: a cache gives the hottest stack first") {
  stack_cache cache;
  cache.set_size(reuse_size);
  const stack first = cache.take(reuse_size);
  const stack second = cache.take(reuse_size);
  CHECK(first.base != second.base);
  cache.put(first);
  CHECK(cache.take(reuse_size).base == first.base);
  cache.put(second);
  cache.put(first);
  CHECK(cache.take(reuse_size).base == first.base);
  CHECK(cache.take(reuse_size).base == second.base);
  cache.put(first);
  cache.put(second);
  cache.flush();
}

TEST_CASE("stack: a cache that overflows or ends gives everything to the pool") {
  auto& pool = stack_pool::of(reuse_size);
  stack_cache cache;
  cache.set_size(reuse_size);
  std::vector<stack> taken;
  for (int i = 0; i < 200; ++i) taken.push_back(cache.take(reuse_size));
  for (const stack& s : taken) cache.put(s);
  CHECK(pool.unused() >= 200 - 64);
  cache.flush();
  const std::size_t all = pool.unused();
  CHECK(all >= 200);
  cache.flush();
  CHECK(pool.unused() == all);

  std::set<std::byte*> bases;
  for (const stack& s : take(reuse_size, all)) bases.insert(s.base);
  CHECK(bases.size() == all);  // none twice
}

TEST_CASE("stack: a cache hands out other sizes too") {
  constexpr std::size_t other = std::size_t{2} << 20;
  stack_cache cache;
  cache.set_size(reuse_size);
  const stack big = cache.take(other);
  CHECK(big.size == other);
  cache.put(big);
  CHECK(stack_pool::of(other).unused() >= 1);
  CHECK(cache.take(reuse_size).size == reuse_size);
}

// Threads take, mark, check and give back at random; one trims. A stack in two hands would show a
// foreign mark.
TEST_CASE("stack: a pool never gives one stack to two threads") {
  auto& pool = stack_pool::of(thread_size);
  std::atomic<bool> over{false};
  std::atomic<std::size_t> foreign{0};
  std::thread trimmer([&] {
    while (!over) {
      pool.trim(8);
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> threads;
  for (std::uint64_t id = 1; id <= 4; ++id) {
    threads.emplace_back([&, id] {
      auto random = generator(id);
      std::vector<stack> mine;
      for (std::size_t round = 0; round < pool_rounds; ++round) {
        if (mine.size() < 400 && random() % 2 == 0) {
          stack some[8];
          const std::size_t got = pool.take(some, 1 + random() % 8);
          for (std::size_t i = 0; i < got; ++i) {
            std::memcpy(some[i].top() - sizeof id, &id, sizeof id);
            mine.push_back(some[i]);
          }
        } else if (!mine.empty()) {
          std::swap(mine[random() % mine.size()], mine.back());
          std::uint64_t mark = 0;
          std::memcpy(&mark, mine.back().top() - sizeof mark, sizeof mark);
          if (mark != id) ++foreign;
          pool.give_back(&mine.back(), 1);
          mine.pop_back();
        }
      }
      pool.give_back(mine.data(), mine.size());
    });
  }
  for (auto& thread : threads) thread.join();
  over = true;
  trimmer.join();
  CHECK(foreign == 0);
}
