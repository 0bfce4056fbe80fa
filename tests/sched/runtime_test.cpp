#include <ringo/runtime.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include <ringo/chan.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/sync/wait_group.hpp>
#include <ringo/task.hpp>

#include "sched/cpu_quota.hpp"
#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;

namespace {

constexpr auto runs_in_a_row = sizes::pick<int>(100, 50, 30);
constexpr auto worker_changes = sizes::pick<int>(1'000, 300, 100);

/// Sets an environment variable for a scope. Only while no runtime runs.
class environment_variable {
 public:
  environment_variable(const char* name, const char* value) : name_(name) {
    if (const char* const old = std::getenv(name)) old_ = old;
    ::setenv(name, value, 1);
  }
  environment_variable(const environment_variable&) = delete;
  environment_variable& operator=(const environment_variable&) = delete;
  ~environment_variable() {
    if (old_) {
      ::setenv(name_, old_->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }

 private:
  const char* name_;
  std::optional<std::string> old_;
};

std::string panic_of_run(const ringo::options& options) {
  return panic_text([&] { ringo::run(options, [] {}); });
}

}  // namespace

TEST_CASE("runtime: run returns what the main fiber returned") {
  CHECK(ringo::run([] { return 42; }) == 42);
  CHECK(ringo::run([] { return std::string("text"); }) == "text");
  const auto owned = ringo::run([] { return std::make_unique<int>(7); });
  CHECK(*owned == 7);
  ringo::run([] {});
  int calls = 0;
  ringo::run([&] { ++calls; });
  CHECK(calls == 1);
}

TEST_CASE("runtime: what leaves the main fiber is rethrown by run") {
  for_each_worker_count([](std::size_t workers) {
    const ringo::options options{.workers = static_cast<int>(workers)};
    CHECK_THROWS_WITH_AS(ringo::run(options, [] { throw std::runtime_error("from main"); }),
                         "from main",
                         std::runtime_error);
    CHECK_THROWS_AS(ringo::run(options, []() -> int { throw 5; }), int);
    CHECK(panic_text([&] { ringo::run(options, [] { ringo::make_chan<int>(-1); }); }) ==
          "makechan: size out of range");
  });
  CHECK(ringo::run([] { return 1; }) == 1);
}

TEST_CASE("runtime: run inside run panics, in fibers and on other threads") {
  run_on_each([] {
    EXPECT_EQ(panic_text([] { ringo::run([] {}); }), std::string("run: already running"));
    EXPECT_EQ(ringo::spawn([] { return panic_text([] { ringo::run([] {}); }); }).join(),
              std::string("run: already running"));
    thread_group threads;
    threads.start([] {
      EXPECT_EQ(panic_text([] { ringo::run([] {}); }), std::string("run: already running"));
    });
    threads.join();
    // The outer one goes on.
    EXPECT_EQ(ringo::spawn([] { return 1; }).join(), 1);
  });
}

TEST_CASE("runtime: run may be called again, many times") {
  for (int i = 0; i < runs_in_a_row; ++i) {
    const int workers = 1 + i % 4;
    const int sum = ringo::run({.workers = workers}, [i] {
      auto ch = ringo::make_chan<int>();
      for (int k = 0; k < 10; ++k) ringo::go([ch, i]() mutable { ch.send(i); });
      int total = 0;
      for (int k = 0; k < 10; ++k) total += *ch.recv();
      return total;
    });
    REQUIRE(sum == 10 * i);
  }
  CHECK(ringo::num_fibers() == 0);
}

TEST_CASE("runtime: other threads may run it in turn") {
  for (int i = 0; i < 5; ++i) {
    int result = 0;
    std::thread([&] { result = ringo::run([i] { return i; }); }).join();
    CHECK(result == i);
  }
}

TEST_CASE("runtime: bad options panic with a text that names them") {
  CHECK(panic_of_run({.workers = -1}) == "run: workers: not a positive number: \"-1\"");
  CHECK(panic_of_run({.workers = 5, .max_threads = 4}) ==
        "run: workers: more than max_threads: \"5\"");
  CHECK(panic_of_run({.stack_size = 1}) == "run: stack_size out of range");
  CHECK(panic_of_run({.stack_size = 32 * 1024 - 1}) == "run: stack_size out of range");
  CHECK(panic_of_run({.stack_size = (std::size_t{1} << 30) + 1}) == "run: stack_size out of range");
  CHECK(panic_of_run({.stack_size = SIZE_MAX}) == "run: stack_size out of range");
  CHECK(panic_of_run({.max_threads = 0}) == "run: max_threads: not a positive number: \"0\"");
  CHECK(panic_of_run({.max_threads = -3}) == "run: max_threads: not a positive number: \"-3\"");
  CHECK(panic_of_run({.exit_grace = -1ns}) == "run: exit_grace: negative: \"-1\"");
  // None of it leaves anything behind.
  CHECK(ringo::run([] { return 1; }) == 1);
}

TEST_CASE("runtime: bad environment variables panic with a text that names them") {
  for (const char* const bad :
       {"abc", "0", "-1", "4x", "x4", "4 ", "1e3", "99999999999999999999"}) {
    CAPTURE(bad);
    {
      const environment_variable set("RINGO_MAXPROCS", bad);
      CHECK(panic_of_run({}) ==
            "run: RINGO_MAXPROCS: not a positive number: \"" + std::string(bad) + "\"");
    }
    const environment_variable set("RINGO_STACK_SIZE", bad);
    CHECK(panic_of_run({}) ==
          "run: RINGO_STACK_SIZE: not a positive number: \"" + std::string(bad) + "\"");
  }
  {
    const environment_variable set("RINGO_MAXPROCS", "20000");
    CHECK(panic_of_run({}) == "run: workers: more than max_threads: \"20000\"");
  }
  for (const char* const bad : {"1", "4096", "1073741825", "9223372036854775807"}) {
    const environment_variable set("RINGO_STACK_SIZE", bad);
    CHECK(panic_of_run({}) == "run: stack_size out of range");
  }
  const environment_variable set("RINGO_ENGINE", "kqueue");
  CHECK(panic_of_run({}) == "run: RINGO_ENGINE: neither automatic, io_uring nor epoll: \"kqueue\"");
}

TEST_CASE("GR-18: options win over the environment, the environment over the default") {
  const auto workers_of = [](const ringo::options& options) {
    return ringo::run(options, [] { return ringo::workers(); });
  };
  {
    const environment_variable set("RINGO_MAXPROCS", "3");
    CHECK(workers_of({}) == 3);
    CHECK(workers_of({.workers = 2}) == 2);
    const environment_variable wrong("RINGO_STACK_SIZE", "abc");
    CHECK(ringo::run({.stack_size = 64 * 1024}, [] { return 1; }) == 1);
  }
  {
    const environment_variable set("RINGO_MAXPROCS", "");
    CHECK(workers_of({}) == static_cast<int>(ringo::detail::usable_cpus()));
  }
  ringo::options epoll;
  epoll.engine = ringo::engine::epoll;
  const environment_variable set("RINGO_ENGINE", "nonsense");
  CHECK(ringo::run(epoll, [] { return 1; }) == 1);
}

TEST_CASE("runtime: sizes between the limits are taken") {
  for (const std::size_t size : {32UL << 10, 100'000UL, 1UL << 20, 1UL << 30}) {
    CHECK(ringo::run({.stack_size = size}, [] { return ringo::spawn([] { return 3; }).join(); }) ==
          3);
  }
}

TEST_CASE("runtime: outside run there are no workers and no fibers") {
  CHECK(ringo::workers() == 0);
  CHECK(ringo::set_workers(4) == 0);
  CHECK(ringo::num_fibers() == 0);
  CHECK(ringo::stats().workers == 0);
  CHECK(ringo::stats().spawned == 0);
}

TEST_CASE("runtime: without it, what does not block works and go panics") {
  auto ch = ringo::make_chan<int>(2);
  ch.send(1);
  CHECK(ch.try_send(2));
  CHECK_FALSE(ch.try_send(3));
  CHECK(ch.recv() == 1);
  CHECK(*ch.try_recv() == 2);
  ringo::mutex lock;
  lock.lock();
  CHECK_FALSE(lock.try_lock());
  lock.unlock();
  ringo::wait_group group;
  group.add(1);
  group.done();
  group.wait();
  CHECK(panic_text([] { ringo::go([] {}); }) == "go: no runtime is running");
  CHECK(panic_text([] { ringo::spawn([] {}).join(); }) == "go: no runtime is running");
  ringo::yield();
  CHECK(ringo::this_fiber::id() == 0);
  CHECK(ringo::this_fiber::name().empty());

  // Two threads without a runtime may even block on each other.
  auto ping = ringo::make_chan<int>();
  std::thread other([ping]() mutable { ping.send(5); });
  CHECK(ping.recv() == 5);
  other.join();

  // And what was made before a run is used in it, and after it.
  ch.send(10);
  CHECK(ringo::run([&] { return ch.recv(); }) == 10);
  ch.send(11);
  CHECK(ch.recv() == 11);
}

TEST_CASE("GR-20: num_fibers counts those that exist") {
  run_on_each([] {
    EXPECT_EQ(ringo::num_fibers(), 1U);
    auto gate = ringo::make_chan<void>();
    fiber_group fibers;
    for (int i = 0; i < 100; ++i) fibers.go([gate]() mutable { gate.recv(); });
    EXPECT_EQ(ringo::num_fibers(), 101U);
    wait_until_parked(100);
    EXPECT_EQ(ringo::num_fibers(), 101U);
    gate.close();
    fibers.join();
    eventually([] { return ringo::num_fibers() == 1; });
    EXPECT_EQ(ringo::stats().fibers, 1U);
    EXPECT_EQ(ringo::stats().spawned, 101U);
  });
}

TEST_CASE("runtime: stats count switches, sleeps and threads") {
  run_on(2, [] {
    const auto before = ringo::stats();
    EXPECT_EQ(before.workers, 2U);
    EXPECT(before.threads >= 2);
    for (int i = 0; i < 1'000; ++i) ringo::yield();
    const auto after = ringo::stats();
    EXPECT(after.switches >= before.switches + 1'000);
    EXPECT_EQ(after.unguarded_stacks, 0U);
  });
}

// After Go's TestStopTheWorldDeadlock and TestBigGOMAXPROCS.
TEST_CASE("GR-17: set_workers returns the old number, and n < 1 only asks") {
  run_on_each([] {
    const int before = ringo::workers();
    EXPECT_EQ(ringo::set_workers(0), before);
    EXPECT_EQ(ringo::set_workers(-5), before);
    EXPECT_EQ(ringo::set_workers(3), before);
    EXPECT_EQ(ringo::workers(), 3);
    EXPECT_EQ(ringo::set_workers(64), 3);
    EXPECT_EQ(ringo::workers(), 64);
    EXPECT_EQ(ringo::set_workers(1), 64);
    EXPECT_EQ(ringo::workers(), 1);
    thread_group threads;
    threads.start([] { EXPECT_EQ(ringo::set_workers(2), 1); });
    threads.join();
    EXPECT_EQ(ringo::workers(), 2);
  });
}

TEST_CASE("GR-17: set_workers is safe under load") {
  run_on_each([] {
    std::atomic<bool> over{false};
    std::atomic<std::size_t> generations{0};
    auto ended = ringo::make_chan<void>(1);
    // A fiber that replaces itself for as long as the test runs.
    struct respawn {
      std::atomic<bool>& over;
      std::atomic<std::size_t>& generations;
      ringo::chan<void> ended;
      void operator()() const {
        ++generations;
        if (over) {
          ended.send();
        } else {
          ringo::go(*this);
        }
      }
    };
    ringo::go(respawn{over, generations, ended});
    fiber_group load;
    auto ch = ringo::make_chan<int>();
    for (int i = 0; i < 4; ++i) {
      load.go([ch]() mutable {
        while (ch.recv()) {
        }
      });
    }
    for (int i = 0; i < worker_changes; ++i) {
      ringo::set_workers(1 + i % 4);
      ch.send(i);
    }
    over = true;
    ended.recv();
    ch.close();
    load.join();
    EXPECT(generations > 0);
  });
}

namespace {

/// The largest number of fibers that were seen to run at one time.
std::size_t parallel_max(int fibers) {
  std::atomic<std::size_t> running{0};
  std::atomic<std::size_t> most{0};
  fiber_group group;
  for (int i = 0; i < fibers; ++i) {
    group.go([&] {
      const std::size_t now = ++running;
      std::size_t seen = most;
      while (now > seen && !most.compare_exchange_weak(seen, now)) {
      }
      for (int spin = 0; spin < 2'000; ++spin) {
        if (spin % 100 == 0) std::this_thread::yield();
      }
      --running;
    });
  }
  group.join();
  return most;
}

}  // namespace

TEST_CASE("GR-17: no more fibers run at a time than there are workers") {
  run_on(8, [] {
    for (const int workers : {1, 2, 4, 1}) {
      ringo::set_workers(workers);
      // The surplus is given up at scheduling points.
      for (int i = 0; i < 100; ++i) parallel_max(16);
      EXPECT(parallel_max(64) <= static_cast<std::size_t>(workers));
    }
  });
}
