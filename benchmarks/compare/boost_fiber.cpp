// The suite's workloads in Boost.Fiber. Each function does the same work as its namesake in the
// other rivals; go/ is the original. One worker is Boost's default, a round-robin scheduler on one
// thread; more are threads that share fibers by its work-stealing scheduler.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <malloc.h>

#include <boost/fiber/algo/work_stealing.hpp>
#include <boost/fiber/all.hpp>

#include "boost_fiber.hpp"
#include "harness.hpp"

namespace {

namespace fibers = boost::fibers;
using compare::must;
using compare::nanoseconds;
using compare::stopwatch;
using compare::sum_below;
using compare::boost_fiber::fibers_max;
using compare::boost_fiber::go;
using compare::boost_fiber::spawn;
using compare::boost_fiber::wait_group;
using std::int64_t;

using unbuffered = fibers::unbuffered_channel<int64_t>;
using buffered = fibers::buffered_channel<int64_t>;

nanoseconds spawn_join(int64_t n) {
  const stopwatch watch;
  for (int64_t i = 0; i < n; ++i) spawn([] {}).join();
  return watch.elapsed();
}

nanoseconds spawn_many(int64_t n) {
  wait_group group;
  const stopwatch watch;
  group.add(n);
  for (int64_t i = 0; i < n; ++i) {
    go([&group] { group.done(); });
  }
  group.wait();
  return watch.elapsed();
}

/// n parked fibers, woken and waited for at the end of the scope.
class parked_fibers {
 public:
  explicit parked_fibers(int64_t n) : n_(n) {
    if (n == 0) return;
    wait_group ready;
    ready.add(n);
    ended_.add(n);
    for (int64_t i = 0; i < n; ++i) {
      go([this, &ready] {
        ready.done();
        int64_t v = 0;
        ch_.pop(v);
        ended_.done();
      });
    }
    ready.wait();
    // The last may be between its done and its pop.
    for (int i = 0; i < 10; ++i) boost::this_fiber::yield();
  }
  parked_fibers(const parked_fibers&) = delete;
  parked_fibers& operator=(const parked_fibers&) = delete;
  ~parked_fibers() { wake(); }

  void wake() {
    if (n_ == 0) return;
    ch_.close();
    ended_.wait();
  }

 private:
  const int64_t n_;
  unbuffered ch_;
  wait_group ended_;
};

void parked_million(int64_t size) {
  const int64_t n = std::min(size > 0 ? size : fibers_max, fibers_max);
  { const parked_fibers warm_up(1000); }
  compare::parked_figures figures{};
  const int64_t before = compare::memory();
  const stopwatch spawn_watch;
  parked_fibers parked(n);
  figures.spawn = spawn_watch.elapsed();
  figures.bytes = compare::memory() - before;
  const stopwatch wake_watch;
  parked.wake();
  figures.wake = wake_watch.elapsed();
  compare::print_parked(n, figures, "100 000 at most; 16 KiB stacks");
}

nanoseconds yield(int64_t n) {
  wait_group group;
  group.add(2);
  const stopwatch watch;
  for (int f = 0; f < 2; ++f) {
    go([&group, n] {
      for (int64_t i = 0; i < n / 2; ++i) boost::this_fiber::yield();
      group.done();
    });
  }
  group.wait();
  return watch.elapsed();
}

nanoseconds chan_pingpong(int64_t n) {
  unbuffered ping;
  unbuffered pong;
  fibers::fiber partner = spawn([&] {
    for (int64_t v : ping) pong.push(v);
  });
  int64_t sum = 0;
  const stopwatch watch;
  for (int64_t i = 0; i < n; ++i) {
    ping.push(i);
    sum += pong.value_pop();
  }
  const nanoseconds took = watch.elapsed();
  ping.close();
  partner.join();
  must(sum == sum_below(n), "chan_pingpong");
  return took;
}

template <class Channel>
nanoseconds stream(Channel& ch, int64_t n) {
  int64_t sum = 0;
  const stopwatch watch;
  fibers::fiber sender = spawn([&ch, n] {
    for (int64_t i = 0; i < n; ++i) ch.push(i);
    ch.close();
  });
  for (int64_t v : ch) sum += v;
  sender.join();
  const nanoseconds took = watch.elapsed();
  must(sum == sum_below(n), "chan_stream");
  return took;
}

nanoseconds chan_stream_unbuffered(int64_t n) {
  unbuffered ch;
  return stream(ch, n);
}

/// A buffered_channel of n slots holds n-1 values, and n is a power of two.
nanoseconds chan_stream(int64_t n, std::size_t slots) {
  buffered ch(slots);
  return stream(ch, n);
}

template <class Channel>
nanoseconds mpmc(Channel& ch, int64_t n) {
  std::atomic<int64_t> total = 0;
  std::deque<fibers::fiber> senders;
  std::deque<fibers::fiber> receivers;
  const stopwatch watch;
  for (int f = 0; f < 8; ++f) {
    senders.push_back(spawn([&ch, n] {
      for (int64_t i = 0; i < n / 8; ++i) ch.push(i);
    }));
    receivers.push_back(spawn([&ch, &total] {
      int64_t sum = 0;
      for (int64_t v : ch) sum += v;
      total += sum;
    }));
  }
  for (auto& sender : senders) sender.join();
  ch.close();
  for (auto& receiver : receivers) receiver.join();
  const nanoseconds took = watch.elapsed();
  must(total == 8 * sum_below(n / 8), "chan_mpmc8x8");
  return took;
}

nanoseconds chan_mpmc_unbuffered(int64_t n) {
  unbuffered ch;
  return mpmc(ch, n);
}

nanoseconds chan_mpmc_128(int64_t n) {
  buffered ch(128);
  return mpmc(ch, n);
}

void skynet(unbuffered& out, int64_t first, int64_t leaves) {
  if (leaves == 1) {
    out.push(first);
    return;
  }
  // Shared: the last child may still be leaving its push when the sum is complete.
  auto sums = std::make_shared<unbuffered>();
  for (int i = 0; i < 10; ++i) {
    go([sums, first, leaves, i] { skynet(*sums, first + i * (leaves / 10), leaves / 10); });
  }
  int64_t sum = 0;
  for (int i = 0; i < 10; ++i) sum += sums->value_pop();
  out.push(sum);
}

nanoseconds skynet_1m(int64_t n) {
  unbuffered out;
  const stopwatch watch;
  fibers::fiber root = spawn([&out, n] { skynet(out, 0, n); });
  const int64_t sum = out.value_pop();
  const nanoseconds took = watch.elapsed();
  root.join();
  must(sum == sum_below(n), "skynet_1m");
  return took;
}

nanoseconds fanout_fib(int64_t n) {
  const stopwatch watch;
  for (int64_t i = 0; i < n; ++i) {
    wait_group group;
    std::array<int64_t, 256> results{};
    group.add(256);
    for (int64_t& result : results) {
      go([&group, &result] {
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
  const int64_t n = std::min<int64_t>(size > 0 ? size : 10'000, fibers_max);
  const parked_fibers parked(n);
  // A plain thread does the measuring, so that the scheduler has not even a timer.
  fibers::promise<void> measured;
  std::thread meter([&] {
    compare::print_idle(n);
    measured.set_value();
  });
  measured.get_future().wait();
  meter.join();
}

constexpr const char* no_select = "Boost.Fiber has no select";

const std::vector<compare::workload> own_workloads = {
    {.name = "spawn_join", .n_max = 300'000, .run = spawn_join},
    {.name = "spawn_many", .n_max = fibers_max, .run = spawn_many, .note = "100 000 at most"},
    {.name = "parked_million", .rows = parked_million},
    {.name = "yield", .n_max = 4'000'000, .step = 2, .run = yield},
    {.name = "chan_pingpong", .n_max = 10'000'000, .run = chan_pingpong},
    {.name = "chan_stream/cap:0", .n_max = 50'000'000, .run = chan_stream_unbuffered},
    {.name = "chan_stream/cap:1",
     .n_max = 50'000'000,
     .run = [](int64_t n) { return chan_stream(n, 2); }},
    {.name = "chan_stream/cap:128",
     .n_max = 50'000'000,
     .run = [](int64_t n) { return chan_stream(n, 128); },
     .note = "capacity 127"},
    {.name = "chan_mpmc8x8/cap:0", .n_max = 50'000'000, .step = 8, .run = chan_mpmc_unbuffered},
    {.name = "chan_mpmc8x8/cap:128",
     .n_max = 50'000'000,
     .step = 8,
     .run = chan_mpmc_128,
     .note = "capacity 127"},
    {.name = "select_default", .missing = no_select},
    {.name = "select_2_parked", .missing = no_select},
    {.name = "select_8_fanin", .missing = no_select},
    {.name = "sieve_1500", .missing = no_select},
    {.name = "skynet_1m",
     .n_max = fibers_max,
     .step = fibers_max,
     .run = skynet_1m,
     .note = "100 000 leaves"},
    {.name = "fanout_fib27x256", .n_max = 10, .run = fanout_fib},
    {.name = "idle", .rows = idle},
};

/// The threads beside the main one, which run fibers until the end of the scope. They spin when
/// idle: with suspend on, a thread that sleeps is never told of new fibers and steals nothing
/// (1.74).
class helpers {
 public:
  explicit helpers(int workers) {
    if (workers == 1) return;
    const auto count = static_cast<std::uint32_t>(workers);
    for (int i = 1; i < workers; ++i) {
      threads_.emplace_back([this, count] {
        fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(count);
        end_.wait();
      });
    }
    // Each constructor waits until all have been called.
    fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(count);
    end_.add(1);
  }
  helpers(const helpers&) = delete;
  helpers& operator=(const helpers&) = delete;
  ~helpers() {
    if (threads_.empty()) return;
    end_.done();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  wait_group end_;
  std::vector<std::thread> threads_;
};

}  // namespace

int main(int argc, char** argv) {
  const compare::arguments args = compare::parse(argc, argv);
  const auto workloads = compare::join(compare::join(own_workloads, compare::sync_workloads()),
                                       compare::time_workloads());
  if (args.list) return compare::print_list(workloads);
  // Stacks come from malloc: without this it would give their pages back to the kernel after each
  // round and fault them in again, which halves the speed of spawn_many.
  ::mallopt(M_TRIM_THRESHOLD, 2'000'000'000);
  const helpers others(args.workers);
  const parked_fibers bystanders(std::min(args.bystanders, fibers_max));
  return compare::run_workloads(args, workloads);
}
