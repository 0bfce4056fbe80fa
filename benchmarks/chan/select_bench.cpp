#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "bench.hpp"

namespace {

using channel = ringo::chan<std::int64_t>;

/// What does a select cost that finds nothing?
void select_default(benchmark::State& state) {
  bench::run(state, [&] {
    auto ch = ringo::make_chan<std::int64_t>();
    std::optional<std::int64_t> v;
    for (auto _ : state) {
      benchmark::DoNotOptimize(ringo::select(ringo::recv(ch, v), ringo::otherwise));
    }
  });
}
BENCHMARK(select_default)->Apply(bench::workers_1_and_2);

/// What does a select cost that finds one of two channels ready, with the send that made it so?
void select_2_ready(benchmark::State& state) {
  bench::run(state, [&] {
    auto a = ringo::make_chan<std::int64_t>(1);
    auto b = ringo::make_chan<std::int64_t>(1);
    std::optional<std::int64_t> v;
    for (auto _ : state) {
      b.send(1);
      benchmark::DoNotOptimize(ringo::select(ringo::recv(a, v), ringo::recv(b, v)));
    }
  });
}
BENCHMARK(select_2_ready)->Apply(bench::workers_1_and_2);

/// What does a select cost that parks on two channels? Both sides do: one iteration is two selects,
/// each with the send that ends the other's.
void select_2_parked(benchmark::State& state) {
  bench::run(state, [&] {
    auto ping = ringo::make_chan<std::int64_t>();
    auto pong = ringo::make_chan<std::int64_t>();
    auto never = ringo::make_chan<std::int64_t>();
    auto done = ringo::make_chan<void>();
    auto partner = ringo::spawn([ping, pong, done]() mutable {
      std::optional<std::int64_t> v;
      while (ringo::select(ringo::recv(ping, v), ringo::recv(done)) == 0) pong.send(*v);
    });
    std::optional<std::int64_t> v;
    for (auto _ : state) {
      ping.send(1);
      benchmark::DoNotOptimize(ringo::select(ringo::recv(pong, v), ringo::recv(never, v)));
    }
    done.close();
    partner.join();
  });
}
BENCHMARK(select_2_parked)->Apply(bench::workers_1_and_2);

/// What does a select cost that picks among eight senders?
void select_8_fanin(benchmark::State& state) {
  bench::run(state, [&] {
    std::array<channel, 8> c;
    ringo::wait_group group;
    auto done = ringo::make_chan<void>();
    for (channel& ch : c) {
      ch = ringo::make_chan<std::int64_t>();
      group.add(1);
      ringo::go([ch, done, &group]() mutable {
        while (ringo::select(ringo::send(ch, std::int64_t{1}), ringo::recv(done)) == 0) {
        }
        group.done();
      });
    }
    std::optional<std::int64_t> v;
    for (auto _ : state) {
      benchmark::DoNotOptimize(ringo::select(ringo::recv(c[0], v),
                                             ringo::recv(c[1], v),
                                             ringo::recv(c[2], v),
                                             ringo::recv(c[3], v),
                                             ringo::recv(c[4], v),
                                             ringo::recv(c[5], v),
                                             ringo::recv(c[6], v),
                                             ringo::recv(c[7], v)));
    }
    done.close();
    group.wait();
  });
}
BENCHMARK(select_8_fanin)->Apply(bench::workers_1_and_2);

/// What does the run-time form cost beside select_2_ready, its cases made anew for each select?
void select_span_2_ready(benchmark::State& state) {
  bench::run(state, [&] {
    auto a = ringo::make_chan<std::int64_t>(1);
    auto b = ringo::make_chan<std::int64_t>(1);
    std::optional<std::int64_t> v;
    std::vector<ringo::select_case> cases;
    for (auto _ : state) {
      b.send(1);
      cases.clear();
      cases.push_back(ringo::recv(a, v));
      cases.push_back(ringo::recv(b, v));
      benchmark::DoNotOptimize(ringo::select(cases));
    }
  });
}
BENCHMARK(select_span_2_ready)->Apply(bench::workers_1_and_2);

}  // namespace
