// The mutex in starvation mode: from hand to hand.

#include <doctest/doctest.h>

#include <chrono>
#include <vector>

#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/sync/mutex.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* parked_in_lock = "sync.Mutex.Lock";

/// With one worker: `waiting`, who is first in line, has waited for over 1 ms and has lost against
/// a newcomer when this returns. The caller holds the lock.
void make_starving(ringo::mutex& m, const watched_fiber& waiting) {
  const auto begin = std::chrono::steady_clock::now();
  eventually([&] { return std::chrono::steady_clock::now() - begin > 2ms; });
  m.unlock();  // wakes it, but it does not run before this fiber yields
  m.lock();
  eventually([&] { return waiting.parked_for(parked_in_lock); });
  for (int i = 0; i < 3; ++i) ringo::yield();
  EXPECT(waiting.parked_for(parked_in_lock));
}

}  // namespace

// Go's unlock gives the waiter the rest of its time slice as well. Here it only hands over the
// lock: unlock() never gives up the turn, and with it perhaps the thread.
TEST_CASE("SY-8: in starvation mode unlock hands the lock to the one who waits") {
  run_on(1, [] {
    ringo::mutex m;
    bool got = false;
    m.lock();
    const auto waiting = go_until_parked(parked_in_lock, [&] {
      m.lock();
      got = true;
      m.unlock();
    });
    make_starving(m, waiting);
    m.unlock();
    EXPECT(!got);           // it has not run yet,
    EXPECT(!m.try_lock());  // and still the lock is its own
    m.lock();               // behind it
    EXPECT(got);
    m.unlock();
    waiting.wait();
  });
}

// The one who starves gives up; the mode outlasts it, and the next is handed the lock.
TEST_CASE("mutex: one who starves and gives up leaves the line in order") {
  run_on(1, [] {
    ringo::mutex m;
    std::vector<int> order;
    m.lock();
    auto [ctx, cancel] = ringo::with_cancel(ringo::background());
    const auto starves = go_until_parked(
        parked_in_lock, [&, ctx = ctx] { EXPECT(m.lock(ctx) == ringo::errc::canceled); });
    make_starving(m, starves);
    std::vector<watched_fiber> behind;
    for (int i = 0; i < 3; ++i) {
      behind.push_back(go_until_parked(parked_in_lock, [&, i] {
        m.lock();
        order.push_back(i);
        m.unlock();
      }));
    }
    cancel();
    starves.wait();
    m.unlock();
    for (const auto& fiber : behind) fiber.wait();
    EXPECT((order == std::vector<int>{0, 1, 2}));
    EXPECT(m.try_lock());
    m.unlock();
  });
}

// Woken to compete, it loses and is called off in between: it must not keep `woken` to itself, or
// nobody would be woken any more.
TEST_CASE("mutex: one who is woken, gives up and loses passes the wake-up on") {
  run_on(1, [] {
    ringo::mutex m;
    m.lock();
    auto [ctx, cancel] = ringo::with_cancel(ringo::background());
    const auto first = go_until_parked(
        parked_in_lock, [&, ctx = ctx] { EXPECT(m.lock(ctx) == ringo::errc::canceled); });
    const auto second = go_until_parked(parked_in_lock, [&] {
      m.lock();
      m.unlock();
    });
    m.unlock();  // wakes the first, but it does not run before this fiber yields
    m.lock();
    cancel();
    first.wait();
    m.unlock();
    second.wait();
    EXPECT(m.try_lock());
    m.unlock();
  });
}
