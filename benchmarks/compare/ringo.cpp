// The suite's workloads in ringo. Each function does the same work as its namesake in the other
// rivals; go/ is the original.

#include <array>
#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

#include <ringo/ringo.hpp>

#include "harness.hpp"

namespace {

using compare::must;
using compare::nanoseconds;
using compare::stopwatch;
using compare::sum_below;
using std::int64_t;

// As wide as Go's int.
using channel = ringo::chan<int64_t>;

nanoseconds spawn_join(int64_t n) {
  const stopwatch watch;
  for (int64_t i = 0; i < n; ++i) {
    auto task = ringo::spawn([] {});
    task.join();
  }
  return watch.elapsed();
}

nanoseconds spawn_many(int64_t n) {
  ringo::wait_group group;
  const stopwatch watch;
  group.add(static_cast<int>(n));
  for (int64_t i = 0; i < n; ++i) {
    ringo::go([&group] { group.done(); });
  }
  group.wait();
  return watch.elapsed();
}

/// Spawns n fibers that say ready and park on one channel; returns once all have been there.
void park_on(ringo::chan<void>& ch, int64_t n, ringo::wait_group& ended) {
  ringo::wait_group ready;
  ready.add(static_cast<int>(n));
  ended.add(static_cast<int>(n));
  for (int64_t i = 0; i < n; ++i) {
    ringo::go([&ch, &ready, &ended] {
      ready.done();
      ch.recv();
      ended.done();
    });
  }
  ready.wait();
  // The last may be between its done and its recv.
  for (int i = 0; i < 10; ++i) ringo::yield();
}

/// n parked fibers, woken and waited for at the end of the scope.
class parked_fibers {
 public:
  explicit parked_fibers(int64_t n) { park_on(ch_, n, ended_); }
  parked_fibers(const parked_fibers&) = delete;
  parked_fibers& operator=(const parked_fibers&) = delete;
  ~parked_fibers() {
    ch_.close();
    ended_.wait();
  }

 private:
  ringo::chan<void> ch_ = ringo::make_chan<void>();
  ringo::wait_group ended_;
};

compare::parked_figures park_and_wake(int64_t n) {
  compare::parked_figures figures{};
  ringo::wait_group ended;
  auto ch = ringo::make_chan<void>();
  const int64_t before = compare::memory();
  const stopwatch spawn_watch;
  park_on(ch, n, ended);
  figures.spawn = spawn_watch.elapsed();
  figures.bytes = compare::memory() - before;
  const stopwatch wake_watch;
  ch.close();
  ended.wait();
  figures.wake = wake_watch.elapsed();
  return figures;
}

void parked_million(int64_t size) {
  const int64_t n = size > 0 ? size : 1'000'000;
  park_and_wake(1000);
  compare::print_parked(n, park_and_wake(n));
}

nanoseconds yield(int64_t n) {
  ringo::wait_group group;
  group.add(2);
  const stopwatch watch;
  for (int f = 0; f < 2; ++f) {
    ringo::go([&group, n] {
      for (int64_t i = 0; i < n / 2; ++i) ringo::yield();
      group.done();
    });
  }
  group.wait();
  return watch.elapsed();
}

nanoseconds chan_pingpong(int64_t n) {
  auto ping = ringo::make_chan<int64_t>();
  auto pong = ringo::make_chan<int64_t>();
  ringo::go([ping, pong]() mutable {
    for (int64_t v : ping) pong.send(v);
    pong.close();
  });
  int64_t sum = 0;
  const stopwatch watch;
  for (int64_t i = 0; i < n; ++i) {
    ping.send(i);
    sum += *pong.recv();
  }
  const nanoseconds took = watch.elapsed();
  ping.close();
  pong.recv();
  must(sum == sum_below(n), "chan_pingpong");
  return took;
}

nanoseconds chan_stream(int64_t n, std::ptrdiff_t capacity) {
  auto ch = ringo::make_chan<int64_t>(capacity);
  int64_t sum = 0;
  const stopwatch watch;
  ringo::go([ch, n]() mutable {
    for (int64_t i = 0; i < n; ++i) ch.send(i);
    ch.close();
  });
  for (int64_t v : ch) sum += v;
  const nanoseconds took = watch.elapsed();
  must(sum == sum_below(n), "chan_stream");
  return took;
}

nanoseconds chan_mpmc(int64_t n, std::ptrdiff_t capacity) {
  auto ch = ringo::make_chan<int64_t>(capacity);
  auto sums = ringo::make_chan<int64_t>(8);
  ringo::wait_group senders;
  senders.add(8);
  const stopwatch watch;
  for (int f = 0; f < 8; ++f) {
    ringo::go([ch, &senders, n]() mutable {
      for (int64_t i = 0; i < n / 8; ++i) ch.send(i);
      senders.done();
    });
    ringo::go([ch, sums]() mutable {
      int64_t sum = 0;
      for (int64_t v : ch) sum += v;
      sums.send(sum);
    });
  }
  senders.wait();
  ch.close();
  int64_t sum = 0;
  for (int f = 0; f < 8; ++f) sum += *sums.recv();
  const nanoseconds took = watch.elapsed();
  must(sum == 8 * sum_below(n / 8), "chan_mpmc8x8");
  return took;
}

nanoseconds select_default(int64_t n) {
  auto ch = ringo::make_chan<int64_t>();
  std::size_t found = 0;
  std::optional<int64_t> v;
  const stopwatch watch;
  for (int64_t i = 0; i < n; ++i) {
    found += ringo::select(ringo::recv(ch, v), ringo::otherwise);
  }
  const nanoseconds took = watch.elapsed();
  must(found == static_cast<std::size_t>(n), "select_default");
  return took;
}

/// Two fibers wake each other; each then parks in a select over two channels. One operation is one
/// select, with the send that ends it, so n operations are n/2 round trips.
nanoseconds select_2_parked(int64_t n) {
  std::array<channel, 2> a{ringo::make_chan<int64_t>(), ringo::make_chan<int64_t>()};
  std::array<channel, 2> b{ringo::make_chan<int64_t>(), ringo::make_chan<int64_t>()};
  ringo::go([a, b, n]() mutable {
    for (int64_t i = 0; i < n / 2; ++i) {
      std::optional<int64_t> v;
      ringo::select(ringo::recv(b[0], v), ringo::recv(b[1], v));
      a[i & 1].send(*v);
    }
  });
  int64_t sum = 0;
  const stopwatch watch;
  for (int64_t i = 0; i < n / 2; ++i) {
    b[i & 1].send(i);
    std::optional<int64_t> v;
    ringo::select(ringo::recv(a[0], v), ringo::recv(a[1], v));
    sum += *v;
  }
  const nanoseconds took = watch.elapsed();
  must(sum == sum_below(n / 2), "select_2_parked");
  return took;
}

nanoseconds select_8_fanin(int64_t n) {
  std::array<channel, 8> c;
  for (auto& ch : c) ch = ringo::make_chan<int64_t>();
  int64_t sum = 0;
  const stopwatch watch;
  for (auto& ch : c) {
    ringo::go([ch, n]() mutable {
      for (int64_t i = 0; i < n / 8; ++i) ch.send(i);
    });
  }
  for (int64_t i = 0; i < n; ++i) {
    std::optional<int64_t> v;
    ringo::select(ringo::recv(c[0], v),
                  ringo::recv(c[1], v),
                  ringo::recv(c[2], v),
                  ringo::recv(c[3], v),
                  ringo::recv(c[4], v),
                  ringo::recv(c[5], v),
                  ringo::recv(c[6], v),
                  ringo::recv(c[7], v));
    sum += *v;
  }
  const nanoseconds took = watch.elapsed();
  must(sum == 8 * sum_below(n / 8), "select_8_fanin");
  return took;
}

void generate(channel out, ringo::chan<void> done, ringo::wait_group* ended) {
  for (int64_t i = 2;; ++i) {
    if (ringo::select(ringo::send(out, i), ringo::recv(done)) == 1) break;
  }
  ended->done();
}

struct sieve_stage {
  channel in;
  channel out;
  int64_t prime;
};

void filter(sieve_stage stage, ringo::chan<void> done, ringo::wait_group* ended) {
  for (;;) {
    std::optional<int64_t> v;
    if (ringo::select(ringo::recv(stage.in, v), ringo::recv(done)) == 1) break;
    if (*v % stage.prime == 0) continue;
    if (ringo::select(ringo::send(stage.out, *v), ringo::recv(done)) == 1) break;
  }
  ended->done();
}

int64_t sieve(int primes) {
  ringo::wait_group ended;
  auto done = ringo::make_chan<void>();
  auto ch = ringo::make_chan<int64_t>();
  ended.add(1 + primes);
  ringo::go(generate, ch, done, &ended);
  int64_t prime = 0;
  for (int i = 0; i < primes; ++i) {
    prime = *ch.recv();
    auto next = ringo::make_chan<int64_t>();
    ringo::go(filter, sieve_stage{ch, next, prime}, done, &ended);
    ch = next;
  }
  done.close();
  ended.wait();
  return prime;
}

nanoseconds sieve_1500(int64_t n) {
  const stopwatch watch;
  for (int64_t i = 0; i < n; ++i) must(sieve(1500) == 12553, "sieve_1500");
  return watch.elapsed();
}

void skynet(channel out, int64_t first, int64_t leaves) {
  if (leaves == 1) {
    out.send(first);
    return;
  }
  auto sums = ringo::make_chan<int64_t>();
  for (int i = 0; i < 10; ++i) ringo::go(skynet, sums, first + i * (leaves / 10), leaves / 10);
  int64_t sum = 0;
  for (int i = 0; i < 10; ++i) sum += *sums.recv();
  out.send(sum);
}

nanoseconds skynet_1m(int64_t n) {
  auto out = ringo::make_chan<int64_t>();
  const stopwatch watch;
  ringo::go(skynet, out, int64_t{0}, n);
  const int64_t sum = *out.recv();
  const nanoseconds took = watch.elapsed();
  must(sum == sum_below(n), "skynet_1m");
  return took;
}

nanoseconds fanout_fib(int64_t n) {
  const stopwatch watch;
  for (int64_t i = 0; i < n; ++i) {
    ringo::wait_group group;
    std::array<int64_t, 256> results{};
    group.add(256);
    for (int64_t& result : results) {
      ringo::go([&group, &result] {
        result = compare::fib_27();
        group.done();
      });
    }
    group.wait();
    for (int64_t result : results) must(result == 196'418, "fanout_fib27x256");
  }
  return watch.elapsed();
}

void idle(int64_t size) {
  const int64_t n = size > 0 ? size : 10'000;
  const parked_fibers parked(n);
  // A plain thread does the measuring, so that the runtime has not even a timer.
  auto measured = ringo::make_chan<void>();
  std::thread meter([&] {
    compare::print_idle(n);
    measured.send();
  });
  measured.recv();
  meter.join();
}

const std::vector<compare::workload> own_workloads = {
    {.name = "spawn_join", .n_max = 300'000, .run = spawn_join},
    {.name = "spawn_many", .n_max = 1'000'000, .run = spawn_many},
    {.name = "parked_million", .rows = parked_million},
    {.name = "yield", .n_max = 4'000'000, .step = 2, .run = yield},
    {.name = "chan_pingpong", .n_max = 10'000'000, .run = chan_pingpong},
    {.name = "chan_stream/cap:0",
     .n_max = 50'000'000,
     .run = [](int64_t n) { return chan_stream(n, 0); }},
    {.name = "chan_stream/cap:1",
     .n_max = 50'000'000,
     .run = [](int64_t n) { return chan_stream(n, 1); }},
    {.name = "chan_stream/cap:128",
     .n_max = 50'000'000,
     .run = [](int64_t n) { return chan_stream(n, 128); }},
    {.name = "chan_mpmc8x8/cap:0",
     .n_max = 50'000'000,
     .step = 8,
     .run = [](int64_t n) { return chan_mpmc(n, 0); }},
    {.name = "chan_mpmc8x8/cap:128",
     .n_max = 50'000'000,
     .step = 8,
     .run = [](int64_t n) { return chan_mpmc(n, 128); }},
    {.name = "select_default", .n_max = 200'000'000, .run = select_default},
    {.name = "select_2_parked", .n_max = 10'000'000, .step = 2, .run = select_2_parked},
    {.name = "select_8_fanin", .n_max = 10'000'000, .step = 8, .run = select_8_fanin},
    {.name = "sieve_1500", .n_max = 20, .run = sieve_1500},
    {.name = "skynet_1m", .n_max = 1'000'000, .step = 1'000'000, .run = skynet_1m},
    {.name = "fanout_fib27x256", .n_max = 10, .run = fanout_fib},
    {.name = "idle", .rows = idle},
};

}  // namespace

int main(int argc, char** argv) {
  const compare::arguments args = compare::parse(argc, argv);
  const auto more = compare::join(compare::time_workloads(), compare::file_workloads(args.file));
  const auto workloads =
      compare::join(compare::join(own_workloads, compare::sync_workloads()), more);
  if (args.list) return compare::print_list(workloads);
  return ringo::run({.workers = args.workers}, [&] {
    const parked_fibers bystanders(args.bystanders);
    return compare::run_workloads(args, workloads);
  });
}
