#include <atomic>

#include "bench.hpp"

namespace {

/// What does a fiber cost whose end is not waited for, one at a time?
void go_and_yield(benchmark::State& state) {
  bench::run(state, [&] {
    for (auto _ : state) {
      ringo::go([] {});
      ringo::yield();
    }
  });
}
BENCHMARK(go_and_yield)->Apply(bench::workers_1_and_2);

/// What does it cost to start a fiber and wait for its result?
void spawn_join(benchmark::State& state) {
  bench::run(state, [&] {
    for (auto _ : state) {
      auto task = ringo::spawn([] { return 1; });
      benchmark::DoNotOptimize(task.join());
    }
  });
}
BENCHMARK(spawn_join)->Apply(bench::workers_1_and_2);

/// What does a fiber cost when many are queued before they run?
void spawn_burst_of_1000(benchmark::State& state) {
  constexpr int burst = 1000;
  bench::run(state, [&] {
    ringo::wait_group group;
    for (auto _ : state) {
      group.add(burst);
      for (int i = 0; i < burst; ++i) {
        ringo::go([&group] { group.done(); });
      }
      group.wait();
    }
  });
  state.SetItemsProcessed(state.iterations() * burst);
}
BENCHMARK(spawn_burst_of_1000)->Apply(bench::workers_1_and_2);

/// What does a yield cost with nobody else to run?
void yield_alone(benchmark::State& state) {
  bench::run(state, [&] {
    for (auto _ : state) ringo::yield();
  });
}
BENCHMARK(yield_alone)->Apply(bench::workers_1_and_2);

/// What does a yield cost that hands over to another fiber? On two workers the other has one to
/// itself. One iteration is one yield of the measured fiber.
void yield_between_two(benchmark::State& state) {
  bench::run(state, [&] {
    std::atomic<bool> stop = false;
    auto partner = ringo::spawn([&stop] {
      while (!stop) ringo::yield();
    });
    for (auto _ : state) ringo::yield();
    stop = true;
    partner.join();
  });
}
BENCHMARK(yield_between_two)->Apply(bench::workers_1_and_2);

}  // namespace
