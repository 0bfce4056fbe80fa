#include <chrono>

#include "bench.hpp"

namespace {

/// What does a sleep cost beside the time it lasts? One iteration is a thousand fibers that sleep a
/// moment.
void sleep_of_1000(benchmark::State& state) {
  constexpr int sleepers = 1000;
  bench::run(state, [&] {
    ringo::wait_group group;
    for (auto _ : state) {
      group.add(sleepers);
      for (int i = 0; i < sleepers; ++i) {
        ringo::go([&group] {
          ringo::sleep_for(std::chrono::microseconds(1));
          group.done();
        });
      }
      group.wait();
    }
  });
  state.SetItemsProcessed(state.iterations() * sleepers);
}
BENCHMARK(sleep_of_1000)->Apply(bench::workers_1_and_2);

}  // namespace
