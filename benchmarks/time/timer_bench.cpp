#include <chrono>

#include "bench.hpp"

namespace {

using std::chrono::hours;

/// What does a timer cost that is stopped before it fires, as most are?
void timer_make_and_stop(benchmark::State& state) {
  bench::run(state, [&] {
    for (auto _ : state) {
      const ringo::timer timer(hours(1));
      benchmark::DoNotOptimize(timer.stop());
    }
  });
}
BENCHMARK(timer_make_and_stop)->Apply(bench::workers_1_and_2);

/// The same for one that would start a fiber: it has no channel.
void timer_after_func_and_stop(benchmark::State& state) {
  bench::run(state, [&] {
    for (auto _ : state) {
      benchmark::DoNotOptimize(ringo::after_func(hours(1), [] {}).stop());
    }
  });
}
BENCHMARK(timer_after_func_and_stop)->Apply(bench::workers_1_and_2);

/// What does it cost to put a timer off, as a connection does with its timeout at each read?
void timer_reset(benchmark::State& state) {
  bench::run(state, [&] {
    const ringo::timer timer(hours(1));
    for (auto _ : state) benchmark::DoNotOptimize(timer.reset(hours(1)));
  });
}
BENCHMARK(timer_reset)->Apply(bench::workers_1_and_2);

/// What does a timeout in a select cost that is not needed?
void timer_after_unused(benchmark::State& state) {
  bench::run(state, [&] {
    auto ready = ringo::make_chan<void>();
    ready.close();
    for (auto _ : state) {
      ringo::select(ringo::recv(ready), ringo::recv(ringo::after(hours(1)), [](auto) {}));
    }
  });
}
BENCHMARK(timer_after_unused)->Apply(bench::workers_1_and_2);

}  // namespace
