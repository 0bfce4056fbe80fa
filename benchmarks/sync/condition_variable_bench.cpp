#include <mutex>

#include "bench.hpp"

namespace {

/// What does a notification cost that nobody waits for?
void condition_notify_nobody(benchmark::State& state) {
  bench::run(state, [&] {
    ringo::condition_variable condition;
    for (auto _ : state) condition.notify_one();
  });
}
BENCHMARK(condition_notify_nobody)->Apply(bench::workers_1_and_2);

/// What does a round trip of two fibers cost that take turns?
void condition_pingpong(benchmark::State& state) {
  bench::run(state, [&] {
    ringo::mutex mutex;
    ringo::condition_variable turned;
    int turn = 0;
    bool stop = false;
    auto partner = ringo::spawn([&] {
      const std::lock_guard lock(mutex);
      while (!stop) {
        while (turn != 1) turned.wait(mutex);
        turn = 0;
        turned.notify_one();
      }
    });
    for (auto _ : state) {
      const std::lock_guard lock(mutex);
      turn = 1;
      turned.notify_one();
      while (turn != 0) turned.wait(mutex);
    }
    {
      const std::lock_guard lock(mutex);
      stop = true;
      turn = 1;
      turned.notify_one();
    }
    partner.join();
  });
}
BENCHMARK(condition_pingpong)->Apply(bench::workers_1_and_2);

}  // namespace
