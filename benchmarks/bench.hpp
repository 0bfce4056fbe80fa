#pragma once

// What the Google Benchmark programs share: a runtime around a benchmark's loop, and worker counts.

#include <benchmark/benchmark.h>

#include <ringo/ringo.hpp>

namespace bench {

/// Runs body in the main fiber of a runtime with as many workers as the benchmark's argument says.
/// Body warms up, then loops over the state: the start of the runtime is outside the clock.
template <class Body>
void run(benchmark::State& state, Body body) {
  ringo::run({.workers = static_cast<int>(state.range(0))}, [&] {
    body();
    return 0;
  });
  state.SetItemsProcessed(state.iterations());
}

/// Applied to every benchmark. CPU time is the process's: a fiber's thread tells little, and the
/// fiber may move.
inline void workers_1_and_2(benchmark::internal::Benchmark* each) {
  each->ArgName("workers")->Arg(1)->Arg(2)->UseRealTime()->MeasureProcessCPUTime();
  each->Repetitions(5)->ReportAggregatesOnly();
}

/// As above, with a second argument for the channel's capacity.
inline void workers_and_capacities(benchmark::internal::Benchmark* each) {
  each->ArgNames({"workers", "cap"})->ArgsProduct({{1, 2}, {0, 1, 128}});
  each->UseRealTime()->MeasureProcessCPUTime()->Repetitions(5)->ReportAggregatesOnly();
}

}  // namespace bench
