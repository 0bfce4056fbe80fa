#include "bench.hpp"

namespace {

/// What do acquire and release cost alone?
void semaphore_uncontended(benchmark::State& state) {
  bench::run(state, [&] {
    ringo::semaphore tokens(8);
    for (auto _ : state) {
      tokens.acquire();
      tokens.release();
    }
  });
}
BENCHMARK(semaphore_uncontended)->Apply(bench::workers_1_and_2);

/// What does a token cost that goes from hand to hand between two fibers?
void semaphore_handover(benchmark::State& state) {
  bench::run(state, [&] {
    ringo::semaphore token(1);
    bool stop = false;
    auto partner = ringo::spawn([&] {
      for (bool over = false; !over;) {
        token.acquire();
        over = stop;
        ringo::yield();
        token.release();
      }
    });
    for (auto _ : state) {
      token.acquire();
      ringo::yield();
      token.release();
    }
    token.acquire();
    stop = true;
    token.release();
    partner.join();
  });
}
BENCHMARK(semaphore_handover)->Apply(bench::workers_1_and_2);

}  // namespace
