// What leaks() reports, and what it must not. After Go's TestGoroutineLeakProfile.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <ringo/blocking.hpp>
#include <ringo/chan.hpp>
#include <ringo/debug.hpp>
#include <ringo/go.hpp>
#include <ringo/select.hpp>
#include <ringo/sync/condition_variable.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/sync/semaphore.hpp>
#include <ringo/sync/shared_mutex.hpp>
#include <ringo/sync/wait_group.hpp>
#include <ringo/time/after.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;

namespace {

// It holds everybody up for as long as the machine has no CPU for the last worker.
constexpr ringo::debug::leak_options patient{.patience = sizes::patience};

constexpr int trials_max = 5;

// Sanitizers have memory of their own, terabytes of it: there it cannot tell.
constexpr bool can_tell = !RINGO_ASAN && !RINGO_TSAN;

/// What earlier calls have left on this stack would be found there by chance.
[[gnu::noinline]] void wipe_stack() {
  std::array<char, 16 * 1024> used;
  used.fill(0);
  asm volatile("" ::"r"(used.data()) : "memory");
}

std::vector<std::string> leaked_names() {
  wipe_stack();
  const auto report = ringo::debug::leaks(patient);
  if (can_tell) {
    EXPECT_EQ(report.unknown, std::string());
  } else {
    EXPECT(!report.unknown.empty());
  }
  std::vector<std::string> names;
  for (const auto& f : report.fibers) names.push_back(f.name);
  std::sort(names.begin(), names.end());
  return names;
}

/// Runs `start` in a fiber of its own, so that no handle stays on the caller's stack, and waits
/// until `parked` fibers are parked.
void set_up(std::size_t parked, const std::function<void()>& start) {
  ringo::spawn(start).join();
  wait_until_parked(parked);
}

void two_on_their_locks(const std::function<void()>& first) {
  ringo::go({.name = "a"}, first);
}

struct row {
  const char* name;
  std::size_t fibers;
  std::function<void()> start;
};

const std::vector<row>& leaking() {
  static const std::vector<row> rows{
      {"nil send", 1, [] { ringo::go({.name = "a"}, [] { ringo::chan<int>().send(1); }); }},
      {"nil receive", 1, [] { ringo::go({.name = "a"}, [] { (void)ringo::chan<int>().recv(); }); }},
      {"empty select", 1, [] { ringo::go({.name = "a"}, [] { ringo::select(); }); }},
      {"send",
       1,
       [] {
         const auto ch = ringo::make_chan<int>();
         ringo::go({.name = "a"}, [ch] { ch.send(1); });
       }},
      {"receive",
       1,
       [] {
         const auto ch = ringo::make_chan<int>(3);
         ringo::go({.name = "a"}, [ch] { (void)ch.recv(); });
       }},
      {"a pair that waits for each other",
       2,
       [] {
         const auto here = ringo::make_chan<int>();
         const auto there = ringo::make_chan<int>();
         ringo::go({.name = "a"}, [here, there] {
           (void)here.recv();
           there.send(1);
         });
         ringo::go({.name = "b"}, [here, there] {
           (void)there.recv();
           here.send(1);
         });
       }},
      {"select",
       1,
       [] {
         const auto one = ringo::make_chan<int>();
         const auto two = ringo::make_chan<int>();
         ringo::go({.name = "a"}, [one, two] {
           std::optional<int> value;
           ringo::select(ringo::recv(one, value), ringo::recv(two, value));
         });
       }},
      {"wait_group on its own stack",
       1,
       [] {
         two_on_their_locks([] {
           ringo::wait_group group;
           group.add(1);
           group.wait();
         });
       }},
      {"mutex on its own stack",
       1,
       [] {
         two_on_their_locks([] {
           ringo::mutex lock;
           lock.lock();
           lock.lock();
         });
       }},
      {"shared_mutex on its own stack",
       1,
       [] {
         two_on_their_locks([] {
           ringo::shared_mutex lock;
           lock.lock();
           lock.lock_shared();
         });
       }},
      {"semaphore on its own stack",
       1,
       [] {
         two_on_their_locks([] {
           ringo::semaphore tokens(1);
           tokens.acquire();
           tokens.acquire();
         });
       }},
      {"a lock on the stack of a leaked fiber",
       2,
       [] {
         ringo::go({.name = "a"}, [] {
           ringo::mutex lock;
           lock.lock();
           ringo::go({.name = "b"}, [&lock] { lock.lock(); });
           ringo::select();
         });
       }},
  };
  return rows;
}

ringo::chan<int> global;
ringo::mutex global_lock;

}  // namespace

// What a search misses is a matter of chance: memory that is free may still hold an address that is
// in use again. So each row has some trials. No trial may find too many.
TEST_CASE("DG-14: fibers on what nobody can reach are leaked") {
  for_each_worker_count([](std::size_t workers) {
    for (const row& r : leaking()) {
      CAPTURE(r.name);
      std::vector<std::string> wanted;
      if (can_tell) wanted = {"a", "b"};
      if (can_tell) wanted.resize(r.fibers);
      bool all_found = false;
      for (int trial = 0; trial < trials_max && !all_found; ++trial) {
        const auto search = [&] {
          set_up(r.fibers, r.start);
          const auto found = leaked_names();
          all_found = found == wanted;
          EXPECT(std::includes(wanted.begin(), wanted.end(), found.begin(), found.end()));
        };
        run_on(workers, search, leftovers::allowed);
      }
      CHECK(all_found);
    }
  });
}

TEST_CASE("DG-14: what something may still wake is not leaked") {
  for_each_worker_count([](std::size_t workers) {
    run_on(
        workers,
        [] {
          const auto on_stack = ringo::make_chan<int>();
          const auto on_heap = std::make_unique<ringo::chan<int>>(ringo::make_chan<int>());
          const auto sleeper = ringo::make_chan<int>();
          global = ringo::make_chan<int>();
          global_lock.lock();
          const auto shared = std::make_shared<ringo::wait_group>();
          shared->add(1);
          ringo::go([on_stack] { (void)on_stack.recv(); });
          ringo::go([ch = *on_heap] { ch.send(1); });
          ringo::go([] { (void)global.recv(); });
          ringo::go([] { global_lock.lock(); });
          ringo::go([shared] { shared->wait(); });
          ringo::go([] { (void)ringo::after(1h).recv(); });
          ringo::go([sleeper] { (void)sleeper.recv(); });
          ringo::go([sleeper] {
            (void)ringo::after(1h).recv();
            sleeper.send(1);
          });
          // In the buffer of a channel that can be reached.
          const auto carrier = ringo::make_chan<ringo::chan<int>>(1);
          ringo::spawn([carrier] {
            const auto carried = ringo::make_chan<int>();
            ringo::go([carried] { (void)carried.recv(); });
            carrier.send(carried);
          }).join();
          wait_until_parked(9);
          EXPECT(leaked_names().empty());
          on_stack.close();
        },
        leftovers::allowed);
    global = {};
    global_lock.unlock();
  });
}

TEST_CASE("DG-14: leaked and other fibers side by side") {
  run_on(
      2,
      [] {
        const auto known = ringo::make_chan<int>();
        set_up(11, [known] {
          for (int i = 0; i < 5; ++i) {
            const auto ch = ringo::make_chan<int>();
            ringo::go({.name = "leaked"}, [ch] { (void)ch.recv(); });
            ringo::go([known] { (void)known.recv(); });
          }
          ringo::go({.name = "leaked"}, [] { ringo::select(); });
        });
        const auto found = leaked_names();
        EXPECT(found.size() <= 6);
        EXPECT(found.size() >= (can_tell ? 4 : 0));  // see above
        EXPECT(std::count(found.begin(), found.end(), "leaked") == std::ssize(found));
        known.close();
      },
      leftovers::allowed);
}

TEST_CASE("debug: where leaks() cannot tell, it says why") {
  CHECK(ringo::debug::leaks().unknown == "the caller is no fiber");
  if (!can_tell) return;
  run_on(2, [] {
    std::atomic<bool> over{false};
    std::atomic<bool> begun{false};
    std::thread stranger([&] {
      begun = true;
      while (!over) std::this_thread::yield();
    });
    eventually([&] { return begun.load(); });
    EXPECT_EQ(ringo::debug::leaks(patient).unknown,
              std::string("there are threads that ringo did not start"));
    over = true;
    stranger.join();
  });
  run_on(2, [] {
    std::atomic<bool> over{false};
    std::atomic<bool> begun{false};
    ringo::go([&] {
      begun = true;
      while (!over) {
      }
    });
    eventually([&] { return begun.load(); });
    EXPECT_EQ(ringo::debug::leaks({.patience = 5ms}).unknown,
              std::string("a fiber did not reach a scheduling point"));
    over = true;
  });
}

// The kernel lists a thread for a moment after it has been joined.
TEST_CASE("debug: threads that have been joined keep leaks() from nothing") {
  for_each_worker_count([](std::size_t workers) {
    run_on(workers, [] {
      for (int i = 0; i < 200; ++i) {
        std::thread([] {}).join();
        EXPECT_EQ(ringo::debug::leaks(patient).unknown.empty(), can_tell);
      }
    });
  });
}

// No fiber of these is leaked at any moment, whatever the stop finds them at.
TEST_CASE("DG-14: under a storm nothing is reported that goes on later") {
  (void)seed();
  for_each_worker_count([](std::size_t workers) {
    run_on(workers, [workers] {
      std::atomic<bool> over{false};
      fiber_group group;
      for (std::size_t i = 0; i < 2 * workers; ++i) {
        group.go([&over] {
          while (!over) {
            const auto there = ringo::make_chan<ringo::chan<int>>();
            ringo::go([there] {
              if (const auto back = there.recv()) back->send(7);
            });
            const auto back = ringo::make_chan<int>();
            there.send(back);
            EXPECT_EQ(back.recv().value_or(0), 7);
            ringo::mutex lock;
            ringo::wait_group done;
            done.add(2);
            for (int k = 0; k < 2; ++k) {
              ringo::go([&] {
                lock.lock();
                ringo::yield();
                lock.unlock();
                done.done();
              });
            }
            done.wait();
          }
        });
      }
      for (int i = 0; i < 20; ++i) {
        EXPECT(ringo::debug::leaks(patient).fibers.empty());
        ringo::yield();
      }
      over = true;
      group.join();
    });
  });
}
