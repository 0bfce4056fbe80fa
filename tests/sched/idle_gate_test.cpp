#include "sched/idle_gate.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "support/sizes.hpp"

using namespace ringo::test;
using namespace ringo::detail;

namespace {

constexpr auto gate_items = sizes::pick<sizes::count>(50'000, 20'000, 10'000);

/// The gate only keeps addresses of workers.
worker* name_of(char& mark) {
  return reinterpret_cast<worker*>(&mark);
}

constexpr idle_gate::sleep_kind sound{};
constexpr idle_gate::sleep_kind last{.last = true};

}  // namespace

TEST_CASE("idle_gate: nobody is woken while nobody sleeps") {
  idle_gate gate;
  gate.thread_starts();
  CHECK_FALSE(gate.wake_needed());
  CHECK(gate.wake_one() == nullptr);
  CHECK(gate.awake() == 1);
  // A vain attempt leaves nobody searching.
  CHECK(gate.start_searching(2));
  gate.stop_searching();
}

TEST_CASE("idle_gate: the last to sleep is told so, others sleep soundly") {
  char marks[3] = {};
  idle_gate gate;
  for (int i = 0; i < 3; ++i) gate.thread_starts();
  CHECK(gate.sleep(name_of(marks[0]), false) == sound);
  CHECK(gate.sleep(name_of(marks[1]), false) == sound);
  CHECK(gate.sleep(name_of(marks[2]), false) == last);
  CHECK(gate.awake() == 0);
  CHECK(gate.asleep() == 3);
  CHECK(gate.leave(name_of(marks[0]), sound));
  CHECK(gate.awake() == 1);
  CHECK(gate.sleep(name_of(marks[0]), false) == last);
}

TEST_CASE("idle_gate: whoever is woken counts as awake and searching at once") {
  char marks[2] = {};
  idle_gate gate;
  gate.thread_starts();
  gate.thread_starts();
  gate.sleep(name_of(marks[0]), false);
  gate.sleep(name_of(marks[1]), false);
  REQUIRE(gate.wake_needed());
  CHECK(gate.wake_one() == name_of(marks[1]));  // the warmest
  CHECK(gate.awake() == 1);
  // Somebody searches: no second one is woken for further work.
  CHECK_FALSE(gate.wake_needed());
  CHECK(gate.wake_one() == nullptr);
  // It did not leave by itself.
  CHECK_FALSE(gate.leave(name_of(marks[1]), sound));
  CHECK(gate.found_work());  // the last searcher wakes the next
  CHECK(gate.wake_one() == name_of(marks[0]));
  CHECK_FALSE(gate.found_work());  // nobody sleeps
}

TEST_CASE("idle_gate: while a thief naps, only work that nobody owns wakes a sleeper") {
  char marks[3] = {};
  idle_gate gate;
  for (int i = 0; i < 3; ++i) gate.thread_starts();
  gate.sleep(name_of(marks[0]), false);
  CHECK(gate.help_needed());
  const auto nap = gate.sleep(name_of(marks[1]), true);
  CHECK(nap == idle_gate::sleep_kind{.calm = true});
  CHECK_FALSE(gate.help_needed());
  CHECK(gate.wake_needed());
  CHECK(gate.leave(name_of(marks[1]), nap));
  CHECK(gate.help_needed());
  // The last one awake has nobody to leave work to: it does not nap.
  gate.sleep(name_of(marks[1]), false);
  CHECK(gate.sleep(name_of(marks[2]), true) == last);
}

TEST_CASE("idle_gate: a napper that is woken ends the calm when it leaves") {
  char mark = 0;
  idle_gate gate;
  gate.thread_starts();
  gate.thread_starts();
  const auto nap = gate.sleep(name_of(mark), true);
  CHECK(gate.wake_one() == name_of(mark));
  CHECK_FALSE(gate.leave(name_of(mark), nap));
  gate.stop_searching();
  gate.sleep(name_of(mark), false);
  CHECK(gate.help_needed());
}

TEST_CASE("idle_gate: at most half of the busy workers search") {
  idle_gate gate;
  for (int i = 0; i < 8; ++i) gate.thread_starts();
  int searching = 0;
  while (gate.start_searching(8)) ++searching;
  CHECK(searching == 4);
  for (; searching > 0; --searching) gate.stop_searching();
  CHECK(gate.start_searching(1));
  gate.stop_searching();
}

TEST_CASE("idle_gate: reset forgets everybody") {
  char mark = 0;
  idle_gate gate;
  gate.thread_starts();
  gate.sleep(name_of(mark), false);
  gate.reset();
  CHECK(gate.asleep() == 0);
  CHECK(gate.awake() == 0);
  CHECK_FALSE(gate.wake_needed());
}

// The protocol of the gate with the simplest work there is: a counter. Submitters add work and wake
// if needed; sleepers sleep until they are woken, for ever if a wake-up is lost. Interleaving under
// test: the submitter's look at the gate between the sleeper's look at the work and its entry.
TEST_CASE("idle_gate: no wake-up is lost between submitters and sleepers") {
  constexpr int sleepers = 3;
  constexpr int submitters = 2;
  struct sleeper {
    std::atomic<int> permits{0};
  };
  const auto all = std::make_unique<sleeper[]>(sleepers);
  idle_gate gate;
  std::atomic<std::int64_t> work{0};
  std::atomic<std::size_t> done{0};
  std::atomic<bool> over{false};
  const auto wake = [&] {
    if (worker* chosen = gate.wake_one()) {
      auto* const woken = reinterpret_cast<sleeper*>(chosen);
      ++woken->permits;
      woken->permits.notify_one();
    }
  };
  const auto take = [&] {
    std::int64_t left = work;
    while (left > 0) {
      if (work.compare_exchange_weak(left, left - 1)) return true;
    }
    return false;
  };
  for (int i = 0; i < sleepers; ++i) gate.thread_starts();
  std::vector<std::thread> threads;
  for (int i = 0; i < sleepers; ++i) {
    threads.emplace_back([&, i] {
      sleeper& self = all[static_cast<std::size_t>(i)];
      auto* const name = reinterpret_cast<worker*>(&self);
      bool searching = false;
      for (;;) {
        if (!searching) searching = gate.start_searching(sleepers);
        if (take()) {
          if (searching && gate.found_work()) wake();
          searching = false;
          ++done;
          continue;
        }
        if (over) return;
        if (searching) gate.stop_searching();
        searching = false;
        const auto kind = gate.sleep(name, false);
        if (work <= 0 && !over) {
          self.permits.wait(0);
          self.permits = 0;
        }
        if (!gate.leave(name, kind)) {
          searching = true;
          self.permits = 0;
        }
      }
    });
  }
  std::vector<std::thread> submitting;
  for (int i = 0; i < submitters; ++i) {
    submitting.emplace_back([&] {
      for (std::size_t item = 0; item < gate_items; ++item) {
        ++work;
        if (gate.wake_needed()) wake();
        if (item % 16 == 0) {
          while (work > 0) std::this_thread::yield();  // let them fall asleep
        }
      }
    });
  }
  for (auto& thread : submitting) thread.join();
  while (done < submitters * gate_items) std::this_thread::yield();
  over = true;
  for (int i = 0; i < sleepers; ++i) {
    all[static_cast<std::size_t>(i)].permits = 1;
    all[static_cast<std::size_t>(i)].permits.notify_all();
  }
  for (auto& thread : threads) thread.join();
  CHECK(done == submitters * gate_items);
}
