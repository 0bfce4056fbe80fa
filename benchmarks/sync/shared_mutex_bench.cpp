#include <mutex>
#include <shared_mutex>

#include "bench.hpp"

namespace {

/// What do lock_shared and unlock_shared cost alone?
void shared_mutex_read(benchmark::State& state) {
  bench::run(state, [&] {
    ringo::shared_mutex mutex;
    for (auto _ : state) {
      const std::shared_lock lock(mutex);
      benchmark::ClobberMemory();
    }
  });
}
BENCHMARK(shared_mutex_read)->Apply(bench::workers_1_and_2);

/// The same for a writer.
void shared_mutex_write(benchmark::State& state) {
  bench::run(state, [&] {
    ringo::shared_mutex mutex;
    for (auto _ : state) {
      const std::lock_guard lock(mutex);
      benchmark::ClobberMemory();
    }
  });
}
BENCHMARK(shared_mutex_write)->Apply(bench::workers_1_and_2);

}  // namespace
