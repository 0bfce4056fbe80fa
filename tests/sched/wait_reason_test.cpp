// What reports say that a fiber waits for: Go's words, for each operation and its form with a
// context.

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/context.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/select.hpp>
#include <ringo/sync/condition_variable.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/sync/once.hpp>
#include <ringo/sync/semaphore.hpp>
#include <ringo/sync/shared_mutex.hpp>
#include <ringo/sync/wait_group.hpp>
#include <ringo/task.hpp>
#include <ringo/time/after.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;

namespace {

/// What fibers wait for, and nobody brings. Never destroyed: they are left over.
struct world {
  ringo::chan<int> nil;
  ringo::chan<int> empty = ringo::make_chan<int>();
  ringo::chan<int> full = ringo::make_chan<int>();
  ringo::cancellable_context tree = ringo::with_cancel(ringo::background());
  ringo::context ctx = tree.ctx;
  ringo::mutex held;
  ringo::mutex free;
  ringo::shared_mutex read_held;
  ringo::shared_mutex write_held;
  ringo::condition_variable changed;
  ringo::wait_group group;
  ringo::semaphore tokens{1};
  ringo::once once;

  world() {
    held.lock();
    read_held.lock_shared();
    write_held.lock();
    group.add(1);
    tokens.acquire();
  }
};

struct row {
  const char* reason;
  std::function<void(world&)> wait;
};

std::vector<row> rows() {
  return {
      {"chan send", [](world& w) { w.full.send(1); }},
      {"chan receive", [](world& w) { (void)w.empty.recv(); }},
      {"chan send (nil chan)", [](world& w) { w.nil.send(1); }},
      {"chan receive (nil chan)", [](world& w) { (void)w.nil.recv(); }},
      {"chan send", [](world& w) { (void)w.full.send(w.ctx, 1); }},
      {"chan receive", [](world& w) { (void)w.empty.recv(w.ctx); }},
      {"chan send (nil chan)", [](world& w) { (void)w.nil.send(w.ctx, 1); }},
      {"chan receive (nil chan)", [](world& w) { (void)w.nil.recv(w.ctx); }},
      {"chan receive", [](world&) { (void)ringo::after(1h).recv(); }},
      {"chan receive", [](world& w) { (void)w.ctx.done().recv(); }},
      {"select", [](world& w) { ringo::select(ringo::recv(w.empty), ringo::recv(w.ctx.done())); }},
      {"select", [](world& w) { ringo::select(ringo::recv(w.nil), ringo::recv(w.nil)); }},
      {"select (no cases)", [](world&) { ringo::select(); }},
      {"sleep", [](world&) { ringo::sleep_for(1h); }},  // tidy: real time: never ends
      {"sleep",
       [](world& w) { (void)ringo::sleep_for(w.ctx, 1h); }},  // tidy: real time: never ends
      {"sync.Mutex.Lock", [](world& w) { w.held.lock(); }},
      {"sync.RWMutex.Lock", [](world& w) { w.read_held.lock(); }},
      {"sync.RWMutex.RLock", [](world& w) { w.write_held.lock_shared(); }},
      {"sync.Cond.Wait",
       [](world& w) {
         std::unique_lock lock(w.free);
         w.changed.wait(lock);
       }},
      {"sync.WaitGroup.Wait", [](world& w) { w.group.wait(); }},
      {"semaphore.Acquire", [](world& w) { w.tokens.acquire(); }},
      {"sync.Once", [](world& w) { w.once.call([&w] { w.once.call([] {}); }); }},
      {"task join", [](world&) { ringo::spawn([] { ringo::select(); }).join(); }},
      {"task join", [](world& w) { (void)ringo::spawn([] { ringo::select(); }).join(w.ctx); }},
  };
}

}  // namespace

TEST_CASE("DG-3: every wait has Go's name, with a context too") {
  for_each_worker_count([](std::size_t workers) {
    static std::vector<std::unique_ptr<world>> kept;
    world& w = *kept.emplace_back(std::make_unique<world>());
    run_on(
        workers,
        [&w] {
          for (const row& each : rows()) go_until_parked(each.reason, [&w, each] { each.wait(w); });
        },
        leftovers::allowed);
  });
}
