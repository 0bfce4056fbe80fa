// What every engine promises; both are asked the same.

#include "source/engine.hpp"

#include <doctest/doctest.h>

#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <future>
#include <memory>
#include <ostream>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>

#include "support/sizes.hpp"

using namespace ringo::test;
using namespace ringo::detail;
using namespace std::chrono_literals;

namespace {

constexpr auto wakes = sizes::pick<sizes::count>(100'000, 50'000, 20'000);

constexpr std::size_t engines_max = 8;

/// Where memory to lock is scarce there may be some rings, and not as many as a test wants.
bool can_be_had(engine_kind kind, std::size_t count, std::error_code& error) {
  std::vector<std::unique_ptr<engine>> made;
  while (made.size() < count && !error) made.push_back(make_engine_patiently(kind, error));
  return !error;
}

template <typename Function>
auto in_own_thread(Function function) {
  return std::async(std::launch::async, std::move(function)).get();
}

/// Calls `test` with a maker for each engine of which `count` at a time work here. Each has a
/// thread of its own, and so has the trial: a ring that goes interrupts the waits of the thread
/// that used it (io_ring_exit_work signals its task), until some milliseconds later.
template <typename Test>
void for_each_engine(Test test, std::size_t count = 1) {
  for (const engine_kind kind : {engine_kind::io_uring, engine_kind::epoll}) {
    std::error_code error;
    if (!in_own_thread([&] { return can_be_had(kind, count, error); })) {
      REQUIRE(kind == engine_kind::io_uring);
      MESSAGE("no io_uring here: " << error.message());
      continue;
    }
    in_own_thread([kind, &test] {
      CAPTURE(static_cast<int>(kind));
      test([kind] {
        std::error_code refused;
        auto made = make_engine_patiently(kind, refused);
        REQUIRE(made != nullptr);
        return made;
      });
    });
  }
}

/// Without operations there is nothing that could end.
void wait_in(engine& source, time_point deadline) {
  fiber_queue ended;
  source.wait(deadline, ended);
  CHECK(ended.empty());
}

nanoseconds time_of_wait(engine& source, time_point deadline) {
  const time_point start = steady_clock::now();
  wait_in(source, deadline);
  return steady_clock::now() - start;
}

/// Waits until nothing is pending: an engine may return for no reason.
void settle(engine& source) {
  fiber_queue ready;
  for (int i = 0; i < 10; ++i) {
    wait_in(source, steady_clock::now());
    source.reap(ready);
  }
  CHECK(ready.empty());
}

/// Waits until `deadline` has passed, however often wait() returns before it.
int waits_until(engine& source, time_point deadline) {
  fiber_queue ready;
  int waits = 0;
  while (steady_clock::now() < deadline) {
    wait_in(source, deadline);
    source.reap(ready);
    ++waits;
  }
  return waits;
}

}  // namespace

TEST_CASE("engine: wait ends at its deadline, neither earlier nor much later") {
  for_each_engine([](auto make) {
    const auto source = make();
    settle(*source);
    for (const auto delay : {1ms, 20ms}) {
      CHECK(waits_until(*source, steady_clock::now() + delay) <= 3);
    }
    CHECK(time_of_wait(*source, steady_clock::now() - 1s) < 10s);
    CHECK(time_of_wait(*source, time_point::min()) < 10s);
    CHECK(time_of_wait(*source, time_point{}) < 10s);
  });
}

TEST_CASE("engine: a deadline of less than a millisecond does not spin") {
  for_each_engine([](auto make) {
    const auto source = make();
    settle(*source);
    for (int i = 0; i < 20; ++i) {
      CHECK(waits_until(*source, steady_clock::now() + 200us) <= 3);
    }
  });
}

TEST_CASE("engine: a wake-up before the wait is remembered, and once") {
  for_each_engine([](auto make) {
    const auto source = make();
    settle(*source);
    fiber_queue ready;
    for (int i = 0; i < 50; ++i) {
      source->wake();
      source->wake();
      wait_in(*source, never);  // would never end
      source->reap(ready);
    }
    settle(*source);
    CHECK(waits_until(*source, steady_clock::now() + 5ms) <= 3);
  });
}

TEST_CASE("engine: another thread ends the wait") {
  for_each_engine([](auto make) {
    const auto source = make();
    settle(*source);
    std::atomic<int> told{0};
    std::thread waker([&] {
      for (int i = 1; i <= 100; ++i) {
        told = i;
        source->wake();
        while (told == i) std::this_thread::yield();
      }
    });
    fiber_queue ready;
    for (int i = 1; i <= 100; ++i) {
      while (told != i) {
        wait_in(*source, never);
        source->reap(ready);
      }
      told = -i;
    }
    waker.join();
  });
}

// The interleaving under test: a wake-up between the waiter's last look and its sleep.
// One that is lost leaves both waiting for ever.
TEST_CASE("engine: of many wake-ups from several threads none is lost") {
  constexpr std::size_t wakers = 3;
  for_each_engine([](auto make) {
    const auto source = make();
    std::atomic<std::size_t> sent{0};
    std::size_t seen = 0;
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < wakers; ++i) {
      threads.emplace_back([&, i] {
        for (std::size_t k = 0; k < wakes; ++k) {
          ++sent;
          source->wake();
          if ((k + i) % 64 == 0) std::this_thread::yield();
        }
      });
    }
    fiber_queue ready;
    while (seen < wakers * wakes) {
      if (sent == seen) wait_in(*source, never);
      source->reap(ready);
      seen = sent;
    }
    for (auto& thread : threads) thread.join();
    settle(*source);
  });
}

TEST_CASE("engine: others may reap while the owner waits") {
  for_each_engine([](auto make) {
    const auto source = make();
    std::atomic<bool> over{false};
    std::atomic<std::size_t> sent{0};
    std::thread thief([&] {
      fiber_queue ready;
      while (!over) {
        source->reap(ready);
        std::this_thread::yield();
      }
    });
    std::thread waker([&] {
      for (std::size_t k = 0; k < wakes / 10; ++k) {
        ++sent;
        source->wake();
        if (k % 16 == 0) std::this_thread::yield();
      }
    });
    fiber_queue ready;
    std::size_t seen = 0;
    while (seen < wakes / 10) {
      // A thief may take the completion that would have ended the wait; so a worker that others
      // reap for is woken by them. Here a short deadline stands for that.
      if (sent == seen) wait_in(*source, steady_clock::now() + 1ms);
      source->reap(ready);
      seen = sent;
    }
    over = true;
    thief.join();
    waker.join();
    // The wake event is still armed.
    source->wake();
    wait_in(*source, never);
  });
}

TEST_CASE("engine: a signal handler may wake it") {
  static std::atomic<engine*> target{nullptr};
  for_each_engine([](auto make) {
    const auto source = make();
    settle(*source);
    target = source.get();
    struct sigaction action = {};
    struct sigaction before = {};
    action.sa_handler = [](int) { target.load()->wake(); };
    action.sa_flags = SA_RESTART;
    REQUIRE(::sigaction(SIGUSR2, &action, &before) == 0);
    for (int i = 0; i < 20; ++i) {
      ::pthread_kill(::pthread_self(), SIGUSR2);
      wait_in(*source, never);
      fiber_queue ready;
      source->reap(ready);
    }
    ::sigaction(SIGUSR2, &before, nullptr);
  });
}

TEST_CASE("engine: many may exist, and leave no descriptor behind") {
  for_each_engine(
      [](auto make) {
        for (int round = 0; round < 20; ++round) {
          std::vector<std::unique_ptr<engine>> many;
          for (std::size_t i = 0; i < engines_max; ++i) many.push_back(make());
          for (const auto& each : many) {
            each->wake();
            wait_in(*each, never);
          }
        }
      },
      engines_max);
}

TEST_CASE("engine: without descriptors left it says so") {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  for (const engine_kind kind : {engine_kind::io_uring, engine_kind::epoll}) {
    rlimit none = before;
    none.rlim_cur = 0;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    std::error_code error;
    const auto made = make_engine(kind, error);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(made == nullptr);
    CHECK(error == std::errc::too_many_files_open);
  }
}
