#include <ringo/detail/spinlock.hpp>

#include <doctest/doctest.h>

#include <sched.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <thread>
#include <vector>

#include "base/futex.hpp"
#include "support/sizes.hpp"

using namespace ringo::test;
using namespace ringo::detail;
using namespace std::chrono_literals;

namespace {

constexpr auto lock_rounds = sizes::pick<int>(20'000, 10'000, 5'000);
constexpr auto destroyed_locks = sizes::pick<int>(20'000, 5'000, 2'000);

std::clock_t cpu_time_of_this_thread() {
  std::timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return used.tv_sec * 1'000'000 + used.tv_nsec / 1'000;
}

// Without the attributes: these tests take and release where Clang's analysis cannot follow.
bool try_take(spinlock& lock) RINGO_NO_THREAD_SAFETY {
  return lock.try_lock();
}
void take(spinlock& lock) RINGO_NO_THREAD_SAFETY {
  lock.lock();
}
void release(spinlock& lock) RINGO_NO_THREAD_SAFETY {
  lock.unlock();
}

}  // namespace

TEST_CASE("spinlock: try_lock takes a free lock only") {
  spinlock lock;
  CHECK(try_take(lock));
  CHECK_FALSE(try_take(lock));
  release(lock);
  CHECK(try_take(lock));
  release(lock);
  {
    const spin_guard guard(lock);
    std::thread([&lock] {
      if (try_take(lock)) std::abort();
    }).join();
  }
  CHECK(try_take(lock));
  release(lock);
}

// More threads than CPUs, so that holders are descheduled and lockers fall asleep.
TEST_CASE("spinlock: one thread at a time, however many there are") {
  const auto cpus = static_cast<int>(std::thread::hardware_concurrency());
  for (const int count : {2, 4 * cpus}) {
    CAPTURE(count);
    spinlock lock;
    long plain = 0;  // ThreadSanitizer sees whether the lock orders it
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i) {
      threads.emplace_back([&, i] {
        for (int k = 0; k < lock_rounds; ++k) {
          if ((k + i) % 8 != 0 || !try_take(lock)) take(lock);
          ++plain;
          if (k % 1'024 == 0) ::sched_yield();
          release(lock);
        }
      });
    }
    for (auto& thread : threads) thread.join();
    CHECK(plain == static_cast<long>(count) * lock_rounds);
  }
}

TEST_CASE("spinlock: another thread may release it") {
  spinlock lock;
  int plain = 0;
  for (int i = 0; i < 100; ++i) {
    take(lock);
    ++plain;
    lock.prepare_handover();
    std::thread other([&lock] { release(lock); });
    take(lock);
    ++plain;
    release(lock);
    other.join();
  }
  CHECK(plain == 200);
}

// A holder that is off its CPU for long must not make the others burn theirs.
TEST_CASE("spinlock: a long wait sleeps") {
  spinlock lock;
  take(lock);
  std::atomic<std::clock_t> used{-1};
  std::thread waiter([&] {
    const std::clock_t before = cpu_time_of_this_thread();
    take(lock);
    used = cpu_time_of_this_thread() - before;
    release(lock);
  });
  std::this_thread::sleep_for(200ms);  // tidy: real time: the long wait
  release(lock);
  waiter.join();
  CHECK(used >= 0);
  CHECK(used < 100'000);  // microseconds: half of the wait
}

// unlock's last touch is the store that lets the next one in, who may free the lock.
TEST_CASE("spinlock: whoever gets it may destroy it") {
  struct block {
    spinlock lock;
    int plain = 0;
  };
  std::atomic<block*> shared{nullptr};
  std::atomic<int> freed{0};
  std::thread second([&] {
    for (int i = 0; i < destroyed_locks; ++i) {
      block* mine = nullptr;
      while ((mine = shared.exchange(nullptr)) == nullptr) std::this_thread::yield();
      take(mine->lock);
      const int value = mine->plain;
      release(mine->lock);
      const std::unique_ptr<block> owned(mine);
      freed += value;
    }
  });
  for (int i = 0; i < destroyed_locks; ++i) {
    auto* const made = std::make_unique<block>().release();
    take(made->lock);
    shared = made;
    made->plain = 1;
    release(made->lock);
    while (freed <= i) std::this_thread::yield();
  }
  second.join();
  CHECK(freed == destroyed_locks);
}

TEST_CASE("futex: wait returns at once for another value, and after its timeout") {
  std::atomic<std::uint32_t> word{1};
  futex_wait(word, 0, std::chrono::nanoseconds(-1));
  const auto start = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - start < 5ms) futex_wait(word, 1, 5ms);
  futex_wait(word, 1, 0ns);
}

TEST_CASE("futex: wake ends a wait") {
  std::atomic<std::uint32_t> word{0};
  std::thread waiter([&word] {
    while (word == 0) futex_wait(word, 0, std::chrono::nanoseconds(-1));
  });
  word = 1;
  futex_wake(word, 1);
  waiter.join();
}
