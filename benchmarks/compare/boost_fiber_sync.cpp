// The suite's workloads with locks, conditions and semaphores in Boost.Fiber, which has no shared
// mutex and no semaphore.

#include <cstdint>
#include <mutex>
#include <vector>

#include <boost/fiber/all.hpp>

#include "boost_fiber.hpp"
#include "harness.hpp"

namespace {

namespace fibers = boost::fibers;
using compare::must;
using compare::nanoseconds;
using compare::stopwatch;
using compare::boost_fiber::go;
using compare::boost_fiber::spawn;
using compare::boost_fiber::wait_group;
using std::int64_t;

nanoseconds mutex_uncontended(int64_t n) {
  fibers::mutex mutex;
  int64_t count = 0;
  const stopwatch watch;
  for (int64_t i = 0; i < n; ++i) {
    const std::lock_guard lock(mutex);
    ++count;
  }
  const nanoseconds took = watch.elapsed();
  must(count == n, "mutex_uncontended");
  return took;
}

nanoseconds mutex_contended64(int64_t n) {
  fibers::mutex mutex;
  wait_group group;
  int64_t count = 0;
  group.add(64);
  const stopwatch watch;
  for (int f = 0; f < 64; ++f) {
    go([&mutex, &group, &count, n] {
      for (int64_t i = 0; i < n / 64; ++i) {
        const std::lock_guard lock(mutex);
        ++count;
      }
      group.done();
    });
  }
  group.wait();
  const nanoseconds took = watch.elapsed();
  must(count == n, "mutex_contended64");
  return took;
}

/// One operation is one round trip: two fibers take turns under one mutex and one condition.
nanoseconds cond_pingpong(int64_t n) {
  fibers::mutex mutex;
  fibers::condition_variable turned;
  int turn = 0;
  auto play = [&, n](int me) {
    for (int64_t i = 0; i < n; ++i) {
      std::unique_lock lock(mutex);
      while (turn != me) turned.wait(lock);
      turn = 1 - me;
      turned.notify_one();
    }
  };
  const stopwatch watch;
  fibers::fiber partner = spawn([&] { play(1); });
  play(0);
  partner.join();
  return watch.elapsed();
}

/// One operation is one of 64 that are woken together, and wait again.
nanoseconds cond_broadcast64(int64_t n) {
  fibers::mutex mutex;
  fibers::condition_variable next;
  fibers::condition_variable all;
  wait_group group;
  int64_t round = 0;
  int waiting = 0;
  const int64_t rounds = n / 64;
  group.add(64);
  const stopwatch watch;
  for (int f = 0; f < 64; ++f) {
    go([&mutex, &next, &all, &group, &round, &waiting, rounds] {
      {
        std::unique_lock lock(mutex);
        for (int64_t seen = 0; seen < rounds; ++seen) {
          if (++waiting == 64) all.notify_one();
          while (round == seen) next.wait(lock);
        }
      }
      group.done();
    });
  }
  for (int64_t i = 0; i < rounds; ++i) {
    std::unique_lock lock(mutex);
    while (waiting < 64) all.wait(lock);
    waiting = 0;
    ++round;
    next.notify_all();
  }
  group.wait();
  return watch.elapsed();
}

constexpr const char* no_shared_mutex = "Boost.Fiber has no shared mutex";
constexpr const char* no_semaphore = "Boost.Fiber has no semaphore";

}  // namespace

std::vector<compare::workload> compare::sync_workloads() {
  return {
      {.name = "mutex_uncontended", .n_max = 200'000'000, .run = mutex_uncontended},
      {.name = "mutex_contended64", .n_max = 200'000'000, .step = 64, .run = mutex_contended64},
      {.name = "shared_mutex_read", .missing = no_shared_mutex},
      {.name = "shared_mutex_mixed8", .missing = no_shared_mutex},
      {.name = "shared_mutex_contended64", .missing = no_shared_mutex},
      {.name = "cond_pingpong", .n_max = 10'000'000, .run = cond_pingpong},
      {.name = "cond_broadcast64", .n_max = 10'000'000, .step = 64, .run = cond_broadcast64},
      {.name = "semaphore_uncontended", .missing = no_semaphore},
      {.name = "semaphore_contended64", .missing = no_semaphore},
  };
}
