// What only real time can prove: that workers which sleep in their engines wake up, in time and not
// too early, for whatever is due; and all that plain threads and several runs do with timers, which
// belong to no bubble. How late something is depends on the machine, and is not checked.

#include <doctest/doctest.h>

#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <thread>
#include <vector>

#include <ringo/blocking.hpp>
#include <ringo/chan.hpp>
#include <ringo/context.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/select.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/time/after.hpp>
#include <ringo/time/now.hpp>
#include <ringo/time/ticker.hpp>
#include <ringo/time/timer.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"
#include "support/timers.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::after;
using ringo::make_chan;
using ringo::ticker;
using ringo::timer;
using std::chrono::nanoseconds;
using time_point = std::chrono::steady_clock::time_point;

namespace {

// clang-format off
//                                                          plain     asan   tsan
constexpr auto zero_timers    = sizes::pick<std::size_t>(100'000,   2'000,   500);
// clang-format on

void expect_not_early(nanoseconds asked) {
  const auto begin = ringo::now();
  ringo::sleep_for(asked);
  EXPECT(ringo::now() - begin >= asked);
}

/// `fire` waits for something that is due `delay` after some moment in the call of `start`.
template <class Start, class Fire>
void expect_due(nanoseconds delay, Start start, Fire fire) {
  const auto begin = ringo::now();
  auto started = start();
  const auto end = ringo::now();
  const time_point due = fire(started);
  EXPECT(due >= begin + delay);
  EXPECT(due <= end + delay);
  EXPECT(ringo::now() >= due);
}

time_point receive(const ringo::recv_chan<time_point>& channel) {
  return *channel.recv();
}

}  // namespace

TEST_CASE("TM-1: a sleep is never shorter than asked") {
  const auto check = [] {
    for (const nanoseconds asked : {1ns, 999ns, 1'000ns, 50'000ns, 1'000'001ns, 3'000'000ns}) {
      expect_not_early(asked);
      const auto until = ringo::now() + asked;
      ringo::sleep_until(until);
      EXPECT(ringo::now() >= until);
    }
  };
  check();  // without a runtime
  run_on_each([&] {
    check();
    thread_group thread;
    thread.start(check);
    ringo::blocking(check);
    thread.join();
  });
}

namespace {

/// Interrupts the system calls of every thread of the process, again and again: without SA_RESTART.
class interruptions {
 public:
  interruptions() {
    struct sigaction wanted {};
    wanted.sa_handler = [](int) { ++count_; };
    ::sigaction(SIGUSR2, &wanted, &before_);
    thread_ = std::thread([this] {
      while (!over_) {
        interrupt_all();
        ringo::sleep_for(200us);
      }
    });
  }
  interruptions(const interruptions&) = delete;
  interruptions& operator=(const interruptions&) = delete;
  ~interruptions() {
    over_ = true;
    thread_.join();
    ::sigaction(SIGUSR2, &before_, nullptr);
  }
  static int count() { return count_; }

 private:
  struct sigaction before_ {};
  std::thread thread_;
  std::atomic<bool> over_{false};
  static inline std::atomic<int> count_{0};

  static void interrupt_all() {
    DIR* const tasks = ::opendir("/proc/self/task");
    if (tasks == nullptr) return;
    while (const dirent* task = ::readdir(tasks)) {
      const int tid = std::atoi(task->d_name);
      if (tid != 0 && tid != ::gettid()) ::tgkill(::getpid(), tid, SIGUSR2);
    }
    ::closedir(tasks);
  }
};

}  // namespace

TEST_CASE("TM-1: signals do not shorten a sleep") {
  const interruptions storm;
  run_on(2, [] {
    const int before = interruptions::count();
    do {  // once, unless the CPUs are taken
      thread_group threads;
      threads.start([] { expect_not_early(100ms); });
      fiber_group fibers;
      fibers.go([] { expect_not_early(100ms); });
      fibers.go([] { ringo::blocking([] { expect_not_early(100ms); }); });
      expect_due(
          100ms, [] { return after(100ms); }, [](auto& ch) { return receive(ch); });
      fibers.join();
      threads.join();
    } while (interruptions::count() - before < 50);
  });
}

// Main is the only fiber: all workers sleep in their engines meanwhile.
TEST_CASE("real time: idle workers wake for whatever is due") {
  run_on_each([] {
    for (const nanoseconds delay : {300'000ns, 2'000'000ns}) {
      expect_not_early(delay);
      expect_due(
          delay, [&] { return timer(delay); }, [](auto& t) { return receive(t.channel()); });
      expect_due(
          delay, [&] { return after(delay); }, [](auto& ch) { return receive(ch); });
      expect_due(
          delay, [&] { return ticker(delay); }, [](auto& t) { return receive(t.channel()); });
      auto begin = ringo::now();
      auto ran = make_chan<void>();
      ringo::after_func(delay, [=] { ran.send(); });
      ran.recv();
      EXPECT(ringo::now() >= begin + delay);
      begin = ringo::now();
      const auto limited = ringo::with_timeout(ringo::background(), delay);
      EXPECT(!limited.ctx.done().recv());
      EXPECT(ringo::now() >= begin + delay);
    }
    EXPECT(!timers_pending());
  });
}

TEST_CASE("TM-15: in real time too a ticker keeps its phase") {
  run_on_each([] {
    const ticker t(500us);
    time_point last = receive(t.channel());
    for (int i = 0; i < 6; ++i) {
      if (i % 3 == 2) ringo::sleep_for(1'200us);
      const time_point next = receive(t.channel());
      EXPECT(next > last);
      EXPECT_EQ(((next - last) % nanoseconds(500us)).count(), 0);
      EXPECT(ringo::now() >= next);
      last = next;
    }
  });
}

TEST_CASE("TM-4: in real time too a delay of nothing is never missed") {
  run_on_each([] {
    for (std::size_t i = 0; i < zero_timers; ++i) {
      const timer t(i % 2 == 0 ? 0ns : -1ns);
      EXPECT(t.channel().recv().has_value());
    }
  });
}

// The workers sleep until a far deadline, if any, when a near one comes from outside.
TEST_CASE("real time: an earlier timer from a plain thread wakes workers that sleep") {
  run_on_each([] {
    const auto far_away = after(1h);
    const timer moved(2h);
    auto sooner = make_chan<bool>();
    thread_group threads;
    threads.start([&, sooner] {
      for (int i = 0; i < 3; ++i) EXPECT(after(1ms).recv().has_value());
      EXPECT(moved.reset(1ms));  // out of the heap of a worker that sleeps
      EXPECT(moved.channel().recv().has_value());
      sooner.send(true);
    });
    EXPECT_EQ(ringo::select(ringo::recv(far_away), ringo::recv(sooner)), std::size_t{1});
    threads.join();
  });
}

// The timers stand in the heap of a worker that is then kept by a fiber without scheduling points;
// the others sleep, and have been told of later deadlines only.
TEST_CASE("TM-21: timers fire although the worker that they were made on computes") {
  for (const std::size_t workers : {std::size_t{2}, std::size_t{8}}) {
    run_on(workers, [] {
      std::atomic<bool> computing{false};
      std::atomic<int> woken{0};
      const auto sleeper = go_until_parked("sleep", [&] {
        while (!computing) ringo::sleep_for(5ms);
        ++woken;
      });
      const timer t(1h);
      const auto receiver = go_until_parked(parked_in_recv, [&, ch = t.channel()] {
        (void)ch.recv();
        ++woken;
      });
      t.reset(2ms);
      ringo::after_func(2ms, [&] { ++woken; });
      const timer unread(1ms);
      computing = true;
      while (woken != 3 || !has_value(unread.channel())) {
      }
      sleeper.wait();
      receiver.wait();
    });
  }
}

// Go's BenchmarkParallelTimerLatency bounds it by 10 ms; that takes a machine of one's own.
TEST_CASE("TM-21: sleeps end while all workers but one compute") {
  for (const std::size_t workers : {std::size_t{2}, std::size_t{4}}) {
    nanoseconds latest{0};
    nanoseconds sum{0};
    constexpr int sleeps = 10;
    run_on(workers, [&] {
      std::atomic<bool> over{false};
      fiber_group busy;
      for (int i = 1; i < ringo::workers(); ++i) {
        busy.go([&] {
          while (!over) {
          }
        });
      }
      for (int i = 0; i < sleeps; ++i) {
        const auto due = ringo::now() + 1ms;
        ringo::sleep_until(due);
        const nanoseconds late = ringo::now() - due;
        sum += late;
        latest = std::max(latest, late);
      }
      over = true;
      busy.join();
    });
    MESSAGE("lateness with " << workers << " workers: mean " << (sum / sleeps).count()
                             << " ns, worst " << latest.count() << " ns");
    CHECK(latest >= 0s);
    CHECK(latest < sizes::patience);
  }
}

TEST_CASE("GR-23: sleeps end although all others yield without pause") {
  run_on_each([] {
    std::atomic<bool> over{false};
    fiber_group busy;
    for (int i = 0; i < 20; ++i) {
      busy.go([&] {
        while (!over) ringo::yield();
      });
    }
    for (int i = 0; i < 3; ++i) expect_not_early(1ms);
    over = true;
    busy.join();
  });
}

// In a bubble who waits for a lock holds the clock.
TEST_CASE("real time: a lock may be held in a sleep, while others wait for it") {
  run_on_each([] {
    ringo::mutex m;
    int counter = 0;
    fiber_group fibers;
    for (int i = 0; i < 5; ++i) {
      fibers.go([&] {
        m.lock();
        const int before = counter;
        ringo::sleep_for(200us);
        counter = before + 1;
        m.unlock();
      });
    }
    fibers.join();
    EXPECT_EQ(counter, 5);
  });
}

TEST_CASE("real time: timers, tickers, deadlines and sleeps of plain threads") {
  run_on_each([] {
    thread_group threads;
    auto handed_over = make_chan<ringo::recv_chan<time_point>>(1);
    auto done = make_chan<void>();
    threads.start([=] {
      expect_due(
          300us, [] { return timer(300us); }, [](auto& t) { return receive(t.channel()); });
      expect_due(
          300us, [] { return after(300us); }, [](auto& ch) { return receive(ch); });
      const timer t(1h);
      EXPECT(t.reset(200us));
      EXPECT_EQ(ringo::select(ringo::recv(after(1h)), ringo::recv(t.channel())), std::size_t{1});
      EXPECT(!t.stop());
      const timer function = ringo::after_func(1h, [=] { done.send(); });
      EXPECT(function.reset(100us));
      done.recv();
      EXPECT(!function.stop());
      const ticker own(200us);
      for (int i = 0; i < 3; ++i) EXPECT(own.channel().recv().has_value());
      own.reset(300us);
      EXPECT(own.channel().recv().has_value());
      own.stop();
      const auto limited = ringo::with_timeout(ringo::background(), 500us);
      EXPECT(!limited.ctx.done().recv());
      EXPECT(limited.ctx.err() == ringo::errc::deadline_exceeded);
      EXPECT(!ringo::sleep_for(ringo::with_cancel(ringo::background()).ctx, 200us));
      handed_over.send(after(1ms));
    });
    EXPECT(handed_over.recv()->recv().has_value());
    threads.join();
    EXPECT(!timers_pending());
  });
}

TEST_CASE("real time: what was set before a run fires in the run") {
  for_each_worker_count([](std::size_t workers) {
    auto ran = make_chan<void>();
    const timer early(1us);
    const timer stopped(1us);
    CHECK(stopped.stop());
    CHECK_FALSE(stopped.stop());
    const timer later(1h);
    CHECK(later.reset(nanoseconds(500us)));
    const timer function = ringo::after_func(1us, [=] { ran.send(); });
    const timer stopped_function = ringo::after_func(1us, [] { EXPECT(false); });
    CHECK(stopped_function.stop());
    const ticker ticks(1us);
    const auto channel = after(1us);
    auto dropped = after(1h);
    const auto limited = ringo::with_timeout(ringo::background(), 1ms);
    CHECK_FALSE(early.channel().try_recv());
    CHECK_FALSE(channel.try_recv());
    run_on(workers, [&] {
      EXPECT(early.channel().recv().has_value());
      EXPECT(later.channel().recv().has_value());
      EXPECT(channel.recv().has_value());
      EXPECT(!stopped.channel().try_recv());
      EXPECT(!limited.ctx.done().recv());
      ran.recv();
      for (int i = 0; i < 3; ++i) EXPECT(ticks.channel().recv().has_value());
      ticks.stop();
      dropped = {};
      EXPECT(!timers_pending());
    });
    CHECK_FALSE(function.stop());
  });
}

TEST_CASE("real time: what a run leaves active fires in the next") {
  for_each_worker_count([](std::size_t workers) {
    std::atomic<bool> ran{false};
    timer kept;
    timer function;
    ringo::recv_chan<time_point> unfired;
    ringo::recv_chan<time_point> fires_next;
    ringo::recv_chan<time_point> fired;
    const ticker ticks(1h);
    run_on(workers, [&] {
      kept = timer(2ms);
      function = ringo::after_func(1h, [&] { ran = true; });
      unfired = after(1h);
      fires_next = after(5ms);
      fired = after(0s);
      eventually([&] { return has_value(fired); }, "the timer");
    });
    CHECK(fired.recv().has_value());
    CHECK(kept.reset(nanoseconds(1ms)));
    ticks.reset(100us);
    unfired = {};
    run_on(workers, [&] {
      EXPECT(kept.channel().recv().has_value());
      EXPECT(fires_next.recv().has_value());
      EXPECT(ticks.channel().recv().has_value());
      EXPECT(function.reset(1us));
      eventually([&] { return ran.load(); }, "the function");
      EXPECT(!function.stop());
      ticks.stop();
      EXPECT(!timers_pending());
    });
    CHECK_FALSE(kept.stop());
    CHECK_FALSE(ticks.channel().try_recv());
  });
}

TEST_CASE("real time: fibers that wait for time are left over, and wake in no later run") {
  for_each_worker_count([](std::size_t workers) {
    static std::atomic<int> runs;
    static std::atomic<int> woken;  // in another run than the one they began to wait in
    woken = 0;
    for (int run = 0; run < 2; ++run) {
      runs = run;
      run_on(
          workers,
          [run] {
            const auto leave = [run](const char* reason, auto wait) {
              go_until_parked(reason, [=] {
                wait();
                if (runs != run) ++woken;
              });
            };
            for (const nanoseconds delay : {nanoseconds::max(), nanoseconds(20ms)}) {
              leave("sleep", [=] { ringo::sleep_for(delay); });
              leave(parked_in_recv, [=] { (void)after(delay).recv(); });
              leave(parked_in_select, [=] {
                ringo::select(ringo::recv(after(delay)), ringo::recv(make_chan<int>()));
              });
            }
            leave("sleep", [] { ringo::sleep_for(1h); });
          },
          leftovers::allowed);
    }
    runs = 2;
    run_on(workers, [] { ringo::sleep_for(25ms); });
    CHECK(woken == 0);
  });
}
