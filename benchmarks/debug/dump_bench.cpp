#include <cstddef>
#include <string>

#include <ringo/debug.hpp>
#include <ringo/detail/inspect.hpp>

#include "bench.hpp"

namespace {

/// How long does a dump of 100 000 parked fibers take?
void dump_100000(benchmark::State& state) {
  constexpr std::size_t fibers = 100'000;
  bench::run(state, [&] {
    const auto empty = ringo::make_chan<void>();
    for (std::size_t i = 0; i < fibers; ++i) ringo::go([empty] { (void)empty.recv(); });
    while (ringo::detail::parked_count() < fibers) ringo::yield();
    for (auto _ : state) {
      const std::string text = ringo::debug::dump();
      benchmark::DoNotOptimize(text.data());
    }
    empty.close();
  });
}
BENCHMARK(dump_100000)->Apply(bench::workers_1_and_2)->Unit(benchmark::kMillisecond);

}  // namespace
