// The suite's workloads with locks, conditions and semaphores in ringo.

#include <cstdint>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include <ringo/ringo.hpp>

#include "harness.hpp"

namespace {

using compare::must;
using compare::nanoseconds;
using compare::stopwatch;
using std::int64_t;

nanoseconds mutex_uncontended(int64_t n) {
  ringo::mutex mutex;
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
  ringo::mutex mutex;
  ringo::wait_group group;
  int64_t count = 0;
  group.add(64);
  const stopwatch watch;
  for (int f = 0; f < 64; ++f) {
    ringo::go([&] {
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

nanoseconds shared_mutex_read(int64_t n) {
  ringo::shared_mutex mutex;
  int64_t count = 0;
  const stopwatch watch;
  for (int64_t i = 0; i < n; ++i) {
    const std::shared_lock lock(mutex);
    ++count;
  }
  const nanoseconds took = watch.elapsed();
  must(count == n, "shared_mutex_read");
  return took;
}

/// So many fibers lock in turn; each writes once in so many operations, and reads otherwise. Held
/// over a yield, the lock is contended on one CPU too.
template <class Hold>
nanoseconds shared_mutex(int64_t n, int fibers, int period, Hold hold) {
  ringo::shared_mutex mutex;
  ringo::wait_group group;
  int64_t count = 0;
  const int64_t each = n / fibers;
  group.add(fibers);
  const stopwatch watch;
  for (int f = 0; f < fibers; ++f) {
    ringo::go([&] {
      for (int64_t i = 0; i < each; ++i) {
        if (i % period == 0) {
          const std::lock_guard lock(mutex);
          ++count;
          hold();
        } else {
          const std::shared_lock lock(mutex);
          hold();
        }
      }
      group.done();
    });
  }
  group.wait();
  const nanoseconds took = watch.elapsed();
  must(count == fibers * ((each + period - 1) / period), "shared_mutex");
  return took;
}

nanoseconds shared_mutex_mixed8(int64_t n) {
  return shared_mutex(n, 8, 16, [] {});
}

nanoseconds shared_mutex_contended64(int64_t n) {
  return shared_mutex(n, 64, 4, [] { ringo::yield(); });
}

/// One operation is one round trip: two fibers take turns under one mutex and one condition.
nanoseconds cond_pingpong(int64_t n) {
  ringo::mutex mutex;
  ringo::condition_variable turned;
  int turn = 0;
  auto play = [&, n](int me) {
    for (int64_t i = 0; i < n; ++i) {
      const std::lock_guard lock(mutex);
      while (turn != me) turned.wait(mutex);
      turn = 1 - me;
      turned.notify_one();
    }
  };
  const stopwatch watch;
  auto partner = ringo::spawn([&] { play(1); });
  play(0);
  partner.join();
  return watch.elapsed();
}

/// One operation is one of 64 that are woken together, and wait again.
nanoseconds cond_broadcast64(int64_t n) {
  ringo::mutex mutex;
  ringo::condition_variable next;
  ringo::condition_variable all;
  ringo::wait_group group;
  int64_t round = 0;
  int waiting = 0;
  const int64_t rounds = n / 64;
  group.add(64);
  const stopwatch watch;
  for (int f = 0; f < 64; ++f) {
    ringo::go([&] {
      {
        const std::lock_guard lock(mutex);
        for (int64_t seen = 0; seen < rounds; ++seen) {
          if (++waiting == 64) all.notify_one();
          while (round == seen) next.wait(mutex);
        }
      }
      group.done();
    });
  }
  for (int64_t i = 0; i < rounds; ++i) {
    const std::lock_guard lock(mutex);
    while (waiting < 64) all.wait(mutex);
    waiting = 0;
    ++round;
    next.notify_all();
  }
  group.wait();
  return watch.elapsed();
}

nanoseconds semaphore_uncontended(int64_t n) {
  ringo::semaphore tokens(8);
  const stopwatch watch;
  for (int64_t i = 0; i < n; ++i) {
    tokens.acquire();
    tokens.release();
  }
  return watch.elapsed();
}

/// 64 fibers, 8 tokens, each held over a yield.
nanoseconds semaphore_contended64(int64_t n) {
  ringo::semaphore tokens(8);
  ringo::wait_group group;
  group.add(64);
  const stopwatch watch;
  for (int f = 0; f < 64; ++f) {
    ringo::go([&tokens, &group, n] {
      for (int64_t i = 0; i < n / 64; ++i) {
        tokens.acquire();
        ringo::yield();
        tokens.release();
      }
      group.done();
    });
  }
  group.wait();
  return watch.elapsed();
}

}  // namespace

std::vector<compare::workload> compare::sync_workloads() {
  return {
      {.name = "mutex_uncontended", .n_max = 200'000'000, .run = mutex_uncontended},
      {.name = "mutex_contended64", .n_max = 200'000'000, .step = 64, .run = mutex_contended64},
      {.name = "shared_mutex_read", .n_max = 200'000'000, .run = shared_mutex_read},
      {.name = "shared_mutex_mixed8", .n_max = 200'000'000, .step = 8, .run = shared_mutex_mixed8},
      {.name = "shared_mutex_contended64",
       .n_max = 200'000'000,
       .step = 64,
       .run = shared_mutex_contended64},
      {.name = "cond_pingpong", .n_max = 10'000'000, .run = cond_pingpong},
      {.name = "cond_broadcast64", .n_max = 10'000'000, .step = 64, .run = cond_broadcast64},
      {.name = "semaphore_uncontended", .n_max = 200'000'000, .run = semaphore_uncontended},
      {.name = "semaphore_contended64",
       .n_max = 200'000'000,
       .step = 64,
       .run = semaphore_contended64},
  };
}
