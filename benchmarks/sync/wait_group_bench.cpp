#include "bench.hpp"

namespace {

/// What does a wait cost that finds nobody to wait for?
void wait_group_add_done_wait(benchmark::State& state) {
  bench::run(state, [&] {
    ringo::wait_group group;
    for (auto _ : state) {
      group.add(1);
      group.done();
      group.wait();
    }
  });
}
BENCHMARK(wait_group_add_done_wait)->Apply(bench::workers_1_and_2);

/// What does it cost to start a fiber through the group and wait for it?
void wait_group_go_wait(benchmark::State& state) {
  bench::run(state, [&] {
    ringo::wait_group group;
    for (auto _ : state) {
      group.go([] {});
      group.wait();
    }
  });
}
BENCHMARK(wait_group_go_wait)->Apply(bench::workers_1_and_2);

}  // namespace
