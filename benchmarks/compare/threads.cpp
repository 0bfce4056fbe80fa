// The suite's workloads in threads, at the sizes threads can do. Each function does the same work
// as its namesake in the other rivals; go/ is the original.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <thread>
#include <utility>
#include <vector>

#include <sched.h>

#include "harness.hpp"
#include "thread_chan.hpp"
#include "thread_set.hpp"

namespace {

using compare::must;
using compare::nanoseconds;
using compare::stopwatch;
using compare::sum_below;
using compare::thread_set;
using compare::thread_wait_group;
using compare::threads_max;
using std::int64_t;

using channel = compare::thread_chan<int64_t>;

int worker_count = 1;

nanoseconds spawn_join(int64_t n) {
  const stopwatch watch;
  for (int64_t i = 0; i < n; ++i) std::thread([] {}).join();
  return watch.elapsed();
}

nanoseconds spawn_many(int64_t n) {
  thread_wait_group group;
  const stopwatch watch;
  group.add(n);
  for (int64_t i = 0; i < n; ++i) std::thread([&group] { group.done(); }).detach();
  group.wait();
  return watch.elapsed();
}

/// n parked threads, woken and joined at the end of the scope.
class parked_threads {
 public:
  explicit parked_threads(int64_t n) {
    thread_wait_group ready;
    ready.add(n);
    ended_.add(n);
    for (int64_t i = 0; i < n; ++i) {
      threads_.go([this, &ready] {
        ready.done();
        ch_.recv();
        ended_.done();
      });
    }
    ready.wait();
    // The last may be between its done and its recv.
    for (int i = 0; i < 10; ++i) std::this_thread::yield();
  }
  parked_threads(const parked_threads&) = delete;
  parked_threads& operator=(const parked_threads&) = delete;
  ~parked_threads() { wake(); }

  void wake() {
    ch_.close();
    ended_.wait();
  }

 private:
  channel ch_{0};
  thread_wait_group ended_;
  thread_set threads_;
};

compare::parked_figures park_and_wake(int64_t n) {
  compare::parked_figures figures{};
  const int64_t before = compare::memory();
  const stopwatch spawn_watch;
  parked_threads parked(n);
  figures.spawn = spawn_watch.elapsed();
  figures.bytes = compare::memory() - before;
  const stopwatch wake_watch;
  parked.wake();
  figures.wake = wake_watch.elapsed();
  return figures;
}

void parked_million(int64_t size) {
  const int64_t n = std::min(size > 0 ? size : threads_max, threads_max);
  park_and_wake(100);
  compare::print_parked(n, park_and_wake(n), "10 000 threads; bytes without kernel stacks");
}

nanoseconds yield(int64_t n) {
  const stopwatch watch;
  thread_set threads;
  for (int f = 0; f < 2; ++f) {
    threads.go([n] {
      for (int64_t i = 0; i < n / 2; ++i) std::this_thread::yield();
    });
  }
  threads.join();
  return watch.elapsed();
}

nanoseconds chan_pingpong(int64_t n) {
  channel ping(0);
  channel pong(0);
  thread_set threads;
  threads.go([&] {
    while (auto v = ping.recv()) pong.send(*v);
  });
  int64_t sum = 0;
  const stopwatch watch;
  for (int64_t i = 0; i < n; ++i) {
    ping.send(i);
    sum += *pong.recv();
  }
  const nanoseconds took = watch.elapsed();
  ping.close();
  must(sum == sum_below(n), "chan_pingpong");
  return took;
}

nanoseconds chan_stream(int64_t n, std::size_t capacity) {
  channel ch(capacity);
  int64_t sum = 0;
  const stopwatch watch;
  thread_set threads;
  threads.go([&ch, n] {
    for (int64_t i = 0; i < n; ++i) ch.send(i);
    ch.close();
  });
  while (auto v = ch.recv()) sum += *v;
  const nanoseconds took = watch.elapsed();
  must(sum == sum_below(n), "chan_stream");
  return took;
}

nanoseconds chan_mpmc(int64_t n, std::size_t capacity) {
  channel ch(capacity);
  std::atomic<int64_t> total = 0;
  const stopwatch watch;
  thread_set senders;
  thread_set receivers;
  for (int f = 0; f < 8; ++f) {
    senders.go([&ch, n] {
      for (int64_t i = 0; i < n / 8; ++i) ch.send(i);
    });
    receivers.go([&ch, &total] {
      int64_t sum = 0;
      while (auto v = ch.recv()) sum += *v;
      total += sum;
    });
  }
  senders.join();
  ch.close();
  receivers.join();
  const nanoseconds took = watch.elapsed();
  must(total == 8 * sum_below(n / 8), "chan_mpmc8x8");
  return took;
}

nanoseconds select_default(int64_t n) {
  channel ch(0);
  int64_t found = 0;
  const stopwatch watch;
  for (int64_t i = 0; i < n; ++i) found += ch.try_recv().has_value() ? 1 : 0;
  const nanoseconds took = watch.elapsed();
  must(found == 0, "select_default");
  return took;
}

nanoseconds select_2_parked(int64_t n) {
  compare::thread_fan_in<int64_t, 2> a;
  compare::thread_fan_in<int64_t, 2> b;
  thread_set threads;
  threads.go([&a, &b, n] {
    for (int64_t i = 0; i < n / 2; ++i) a.send(static_cast<std::size_t>(i & 1), b.recv());
  });
  int64_t sum = 0;
  const stopwatch watch;
  for (int64_t i = 0; i < n / 2; ++i) {
    b.send(static_cast<std::size_t>(i & 1), i);
    sum += a.recv();
  }
  const nanoseconds took = watch.elapsed();
  must(sum == sum_below(n / 2), "select_2_parked");
  return took;
}

nanoseconds select_8_fanin(int64_t n) {
  compare::thread_fan_in<int64_t, 8> lanes;
  int64_t sum = 0;
  const stopwatch watch;
  thread_set threads;
  for (std::size_t lane = 0; lane < 8; ++lane) {
    threads.go([&lanes, lane, n] {
      for (int64_t i = 0; i < n / 8; ++i) lanes.send(lane, i);
    });
  }
  for (int64_t i = 0; i < n; ++i) sum += lanes.recv();
  const nanoseconds took = watch.elapsed();
  must(sum == 8 * sum_below(n / 8), "select_8_fanin");
  return took;
}

/// How many values the filters of a sieve take in, all told: what its cost grows with.
int64_t sieve_messages(int primes) {
  std::vector<int64_t> found;
  int64_t messages = 0;
  for (int64_t i = 2; static_cast<int>(found.size()) < primes; ++i) {
    ++messages;
    bool is_prime = true;
    for (std::size_t f = 0; f < found.size() && is_prime; ++f) {
      is_prime = i % found[f] != 0;
      if (is_prime) ++messages;
    }
    if (is_prime) found.push_back(i);
  }
  return messages;
}

/// Threads have no select: the end is told by closing every channel, which fails their sends.
void sieve(int primes) {
  std::deque<channel> chans;
  thread_set threads;
  channel* ch = &chans.emplace_back(0);
  threads.go([ch] {
    for (int64_t i = 2; ch->send(i); ++i) {
    }
  });
  for (int i = 0; i < primes; ++i) {
    const int64_t prime = *ch->recv();
    channel* next = &chans.emplace_back(0);
    threads.go([ch, next, prime] {
      while (auto v = ch->recv()) {
        if (*v % prime != 0 && !next->send(*v)) break;
      }
    });
    ch = next;
  }
  for (channel& each : chans) each.close();
}

/// Up to the 100th prime only, with the time scaled by the number of messages: threads would take
/// half a minute to the 1500th.
nanoseconds sieve_1500(int64_t n) {
  const stopwatch watch;
  for (int64_t i = 0; i < n; ++i) sieve(100);
  return watch.elapsed() * sieve_messages(1500) / sieve_messages(100);
}

void skynet(channel& out, int64_t first, int64_t leaves) {
  if (leaves == 1) {
    out.send(first);
    return;
  }
  channel sums(0);
  thread_set threads;
  for (int i = 0; i < 10; ++i) {
    threads.go([&sums, first, leaves, i] { skynet(sums, first + i * (leaves / 10), leaves / 10); });
  }
  int64_t sum = 0;
  for (int i = 0; i < 10; ++i) sum += *sums.recv();
  threads.join();
  out.send(sum);
}

nanoseconds skynet_1m(int64_t n) {
  channel out(0);
  thread_set threads;
  const stopwatch watch;
  threads.go([&out, n] { skynet(out, 0, n); });
  const int64_t sum = *out.recv();
  const nanoseconds took = watch.elapsed();
  must(sum == sum_below(n), "skynet_1m");
  return took;
}

/// As many threads as workers, which share out the work: the speed-up the machine allows.
nanoseconds fanout_fib(int64_t n) {
  const stopwatch watch;
  for (int64_t i = 0; i < n; ++i) {
    std::array<int64_t, 256> results{};
    std::atomic<std::size_t> next = 0;
    thread_set threads;
    for (int f = 0; f < worker_count; ++f) {
      threads.go([&results, &next] {
        for (std::size_t r = next++; r < results.size(); r = next++) results[r] = compare::fib_27();
      });
    }
    threads.join();
    for (int64_t result : results) must(result == 196'418, "fanout_fib27x256");
  }
  return watch.elapsed();
}

void idle(int64_t size) {
  const int64_t n = std::min(size > 0 ? size : threads_max, threads_max);
  const parked_threads parked(n);
  compare::print_idle(n);
}

const std::vector<compare::workload> own_workloads = {
    {.name = "spawn_join", .n_max = 300'000, .run = spawn_join},
    {.name = "spawn_many", .n_max = threads_max, .run = spawn_many, .note = "10 000 at most"},
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
    {.name = "select_default", .n_max = 200'000'000, .run = select_default, .note = "try_recv"},
    {.name = "select_2_parked",
     .n_max = 10'000'000,
     .step = 2,
     .run = select_2_parked,
     .note = "lanes under one mutex"},
    {.name = "select_8_fanin",
     .n_max = 10'000'000,
     .step = 8,
     .run = select_8_fanin,
     .note = "lanes under one mutex"},
    {.name = "sieve_1500",
     .n_max = 20,
     .run = sieve_1500,
     .note = "100 primes without select; time scaled by messages"},
    {.name = "skynet_1m",
     .n_max = 1000,
     .step = 1000,
     .run = skynet_1m,
     .note = "1 000 leaves, 1 111 threads: what fits a round"},
    {.name = "fanout_fib27x256",
     .n_max = 10,
     .run = fanout_fib,
     .note = "as many threads as workers"},
    {.name = "idle", .rows = idle},
};

/// One worker is one CPU for threads.
void use_cpus(int count) {
  cpu_set_t allowed;
  cpu_set_t wanted;
  CPU_ZERO(&allowed);
  CPU_ZERO(&wanted);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  for (int cpu = 0; cpu < CPU_SETSIZE && count > 0; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    CPU_SET(cpu, &wanted);
    --count;
  }
  ::sched_setaffinity(0, sizeof wanted, &wanted);
}

}  // namespace

int main(int argc, char** argv) {
  const compare::arguments args = compare::parse(argc, argv);
  const auto more = compare::join(compare::time_workloads(), compare::file_workloads(args.file));
  const auto workloads =
      compare::join(compare::join(own_workloads, compare::sync_workloads()), more);
  if (args.list) return compare::print_list(workloads);
  worker_count = args.workers;
  use_cpus(args.workers);
  // One at least: in a process of one thread the C library leaves out the atomics of a mutex.
  const parked_threads bystanders(std::clamp<int64_t>(args.bystanders, 1, threads_max));
  return compare::run_workloads(args, workloads);
}
