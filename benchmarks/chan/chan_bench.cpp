#include <cstdint>

#include "bench.hpp"

namespace {

/// What does a round trip over two unbuffered channels cost?
void chan_pingpong(benchmark::State& state) {
  bench::run(state, [&] {
    auto ping = ringo::make_chan<std::int64_t>();
    auto pong = ringo::make_chan<std::int64_t>();
    ringo::go([ping, pong]() mutable {
      for (std::int64_t v : ping) pong.send(v);
      pong.close();
    });
    for (auto _ : state) {
      ping.send(1);
      benchmark::DoNotOptimize(pong.recv());
    }
    ping.close();
    pong.recv();
  });
}
BENCHMARK(chan_pingpong)->Apply(bench::workers_1_and_2);

/// What does an element cost from one sender to one receiver?
void chan_stream(benchmark::State& state) {
  bench::run(state, [&] {
    auto ch = ringo::make_chan<std::int64_t>(state.range(1));
    ringo::wait_group group;
    group.add(1);
    ringo::go([ch, &group]() mutable {
      for (std::int64_t v : ch) benchmark::DoNotOptimize(v);
      group.done();
    });
    for (auto _ : state) ch.send(1);
    ch.close();
    group.wait();
  });
}
BENCHMARK(chan_stream)->Apply(bench::workers_and_capacities);

/// What does a channel cost when nobody waits: into the buffer and out of it, on one fiber?
void chan_buffer_send_recv(benchmark::State& state) {
  bench::run(state, [&] {
    auto ch = ringo::make_chan<std::int64_t>(1);
    for (auto _ : state) {
      ch.send(1);
      benchmark::DoNotOptimize(ch.recv());
    }
  });
}
BENCHMARK(chan_buffer_send_recv)->Apply(bench::workers_1_and_2);

/// What does a try_recv cost that finds nothing?
void chan_try_recv_empty(benchmark::State& state) {
  bench::run(state, [&] {
    auto ch = ringo::make_chan<std::int64_t>();
    for (auto _ : state) benchmark::DoNotOptimize(ch.try_recv());
  });
}
BENCHMARK(chan_try_recv_empty)->Apply(bench::workers_1_and_2);

/// What do a channel's birth and death cost?
void chan_make_and_drop(benchmark::State& state) {
  bench::run(state, [&] {
    for (auto _ : state) benchmark::DoNotOptimize(ringo::make_chan<std::int64_t>());
  });
}
BENCHMARK(chan_make_and_drop)->Apply(bench::workers_1_and_2);

}  // namespace
