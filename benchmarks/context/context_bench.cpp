#include <chrono>

#include "bench.hpp"

namespace {

using std::chrono::hours;

/// What does a context cost that is derived and cancelled, with nobody waiting for it?
void context_with_cancel(benchmark::State& state) {
  bench::run(state, [&] {
    const auto root = ringo::with_cancel(ringo::background());
    for (auto _ : state) {
      const auto child = ringo::with_cancel(root.ctx);
      child.cancel();
    }
  });
}
BENCHMARK(context_with_cancel)->Apply(bench::workers_1_and_2);

/// The same with a deadline.
void context_with_timeout(benchmark::State& state) {
  bench::run(state, [&] {
    const auto root = ringo::with_cancel(ringo::background());
    for (auto _ : state) {
      const auto child = ringo::with_timeout(root.ctx, hours(1));
      child.cancel();
    }
  });
}
BENCHMARK(context_with_timeout)->Apply(bench::workers_1_and_2);

/// What does it cost to ask a context whether it is done?
void context_err(benchmark::State& state) {
  bench::run(state, [&] {
    const auto alive = ringo::with_cancel(ringo::background());
    for (auto _ : state) benchmark::DoNotOptimize(alive.ctx.err());
  });
}
BENCHMARK(context_err)->Apply(bench::workers_1_and_2);

/// What does the first done() add, which makes the channel?
void context_done(benchmark::State& state) {
  bench::run(state, [&] {
    const auto root = ringo::with_cancel(ringo::background());
    for (auto _ : state) {
      const auto child = ringo::with_cancel(root.ctx);
      benchmark::DoNotOptimize(child.ctx.done());
      child.cancel();
    }
  });
}
BENCHMARK(context_done)->Apply(bench::workers_1_and_2);

/// What does a value cost that is ten layers up?
void context_value(benchmark::State& state) {
  static constexpr ringo::context_key<int> wanted;
  static constexpr ringo::context_key<int> other;
  bench::run(state, [&] {
    ringo::context ctx = ringo::with_value(ringo::background(), wanted, 1);
    for (int i = 0; i < 10; ++i) ctx = ringo::with_value(ctx, other, i);
    for (auto _ : state) benchmark::DoNotOptimize(ctx.value(wanted));
  });
}
BENCHMARK(context_value)->Apply(bench::workers_1_and_2);

}  // namespace
