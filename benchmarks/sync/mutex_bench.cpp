#include <cstdint>
#include <mutex>

#include "bench.hpp"

namespace {

/// What do lock and unlock cost alone?
void mutex_uncontended(benchmark::State& state) {
  bench::run(state, [&] {
    ringo::mutex mutex;
    for (auto _ : state) {
      const std::lock_guard lock(mutex);
      benchmark::ClobberMemory();
    }
  });
}
BENCHMARK(mutex_uncontended)->Apply(bench::workers_1_and_2);

/// What do lock and unlock cost when 64 fibers want one mutex? One iteration is a thousand by each.
void mutex_contended64(benchmark::State& state) {
  constexpr int fibers = 64;
  constexpr int rounds = 1000;
  bench::run(state, [&] {
    ringo::mutex mutex;
    ringo::wait_group group;
    std::int64_t count = 0;
    for (auto _ : state) {
      group.add(fibers);
      for (int f = 0; f < fibers; ++f) {
        ringo::go([&] {
          for (int i = 0; i < rounds; ++i) {
            const std::lock_guard lock(mutex);
            ++count;
          }
          group.done();
        });
      }
      group.wait();
    }
    benchmark::DoNotOptimize(count);
  });
  state.SetItemsProcessed(state.iterations() * fibers * rounds);
}
BENCHMARK(mutex_contended64)->Apply(bench::workers_1_and_2);

/// What does a hand-over cost: two fibers that yield while they hold the mutex?
void mutex_handover(benchmark::State& state) {
  bench::run(state, [&] {
    ringo::mutex mutex;
    bool stop = false;
    auto partner = ringo::spawn([&] {
      for (;;) {
        const std::lock_guard lock(mutex);
        if (stop) return;
        ringo::yield();
      }
    });
    for (auto _ : state) {
      const std::lock_guard lock(mutex);
      ringo::yield();
    }
    {
      const std::lock_guard lock(mutex);
      stop = true;
    }
    partner.join();
  });
}
BENCHMARK(mutex_handover)->Apply(bench::workers_1_and_2);

}  // namespace
