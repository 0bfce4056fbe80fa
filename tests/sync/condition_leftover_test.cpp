// The condition_variable and the end of a run: fibers that waited or were woken and never go on.

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>

#include <ringo/sync/condition_variable.hpp>
#include <ringo/sync/mutex.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"

using namespace ringo::test;

namespace {

constexpr const char* parked_in_wait = "sync.Cond.Wait";

}  // namespace

TEST_CASE("condition_variable: fibers left over at the end of run are in no queue afterwards") {
  for_each_worker_count([](std::size_t workers) {
    ringo::mutex m;
    ringo::condition_variable changed;
    std::atomic<int> awake{0};
    thread_group threads;
    const auto wait = [&] {
      std::unique_lock lock(m);
      changed.wait(lock);
      ++awake;
    };
    run_on(
        workers,
        [&] {
          for (int i = 0; i < 3; ++i) go_until_parked(parked_in_wait, wait);
          threads.start(wait);
          threads.wait_until_asleep();
        },
        leftovers::allowed);
    changed.notify_one();
    threads.join();
    CHECK(awake == 1);
    run_on(workers, [&] {
      const auto waiting = go_until_parked(parked_in_wait, wait);
      changed.notify_one();
      waiting.wait();
    });
    CHECK(awake == 2);
  });
}

TEST_CASE("condition_variable: a waiter that was woken but never ran does not spoil it") {
  for_each_worker_count([](std::size_t workers) {
    ringo::mutex m;
    ringo::condition_variable changed;
    const auto wait = [&] {
      std::unique_lock lock(m);
      changed.wait(lock);
    };
    run_on(
        workers,
        [&] {
          for (int i = 0; i < 3; ++i) go_until_parked(parked_in_wait, wait);
          changed.notify_one();
          changed.notify_all();
        },
        leftovers::allowed);
    run_on(workers, [&] {
      const auto waiting = go_until_parked(parked_in_wait, wait);
      changed.notify_all();
      waiting.wait();
    });
  });
}

TEST_CASE("condition_variable: fibers that wait when it is destroyed can be discarded") {
  for_each_worker_count([](std::size_t workers) {
    auto m = std::make_unique<ringo::mutex>();
    run_on(
        workers,
        [&] {
          auto changed = std::make_unique<ringo::condition_variable>();
          for (int i = 0; i < 3; ++i) {
            go_until_parked(parked_in_wait, [&m, p = changed.get()] {
              std::unique_lock lock(*m);
              p->wait(lock);
            });
          }
          changed->notify_one();
        },
        leftovers::allowed);
  });
}
