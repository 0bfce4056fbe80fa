#include "source/timer_heap.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "support/seed.hpp"
#include "support/sizes.hpp"

using namespace ringo::test;
using namespace ringo::detail;
using namespace std::chrono_literals;

namespace {

constexpr auto many_timers = sizes::pick<sizes::count>(100'000, 20'000, 10'000);
constexpr auto racing_timers = sizes::pick<sizes::count>(50'000, 20'000, 5'000);

constexpr time_point origin{};

/// A timer that notes when it fired.
struct noting_timer {
  timer_node node;  // first, so that the node's address is the timer's
  std::vector<noting_timer*>* order = nullptr;
  std::atomic<int> fired{0};
  time_point due;
  time_point fired_at;

  noting_timer() { node.fire = &fire; }
  static void fire(timer_node& self, time_point now, fiber_queue& /*ready*/) noexcept {
    auto& timer = reinterpret_cast<noting_timer&>(self);
    ++timer.fired;
    timer.fired_at = now;
    if (timer.order != nullptr) timer.order->push_back(&timer);
  }
};

std::size_t expire(timer_heap& heap, time_point now) {
  fiber_queue ready;
  heap.expire(now, ready);
  std::size_t count = 0;
  while (ready.pop() != nullptr) ++count;
  return count;
}

}  // namespace

TEST_CASE("timer_heap: an empty one has no deadline and fires nothing") {
  timer_heap heap;
  CHECK(heap.next() == never);
  CHECK(expire(heap, never) == 0);
  noting_timer timer;
  CHECK_FALSE(timer_heap::remove(timer.node));  // never added
}

// Locking the heap again would hang here; a timer that fired must do just that, since its `fire`
// may be under way elsewhere.
TEST_CASE("timer_heap: a timer that was removed is removed again without the heap") {
  noting_timer removed;
  timer_heap later;
  {
    timer_heap heap;
    heap.add(removed.node, origin + 20ms);
    CHECK(timer_heap::remove(removed.node));
    CHECK(removed.node.home.load() == nullptr);

    noting_timer fired;
    heap.add(fired.node, origin + 10ms);
    expire(heap, origin + 10ms);
    CHECK(fired.node.home.load() == &heap);
    CHECK_FALSE(timer_heap::remove(fired.node));

    noting_timer parks;
    heap.add_and_keep_lock(parks.node, origin + 30ms);
    CHECK_FALSE(timer_heap::remove(removed.node));
    heap.added();
    CHECK(timer_heap::remove(parks.node));
  }
  CHECK_FALSE(timer_heap::remove(removed.node));  // the heap is gone
  CHECK(later.add(removed.node, origin + 20ms));
  CHECK(timer_heap::remove(removed.node));
}

TEST_CASE("timer_heap: add says whether the timer is the earliest now") {
  timer_heap heap;
  noting_timer a;
  noting_timer b;
  noting_timer c;
  noting_timer d;
  CHECK(heap.add(a.node, origin + 20ms));
  CHECK(heap.next() == origin + 20ms);
  CHECK_FALSE(heap.add(b.node, origin + 30ms));
  CHECK(heap.next() == origin + 20ms);
  CHECK(heap.add(c.node, origin + 10ms));
  CHECK(heap.next() == origin + 10ms);
  CHECK_FALSE(heap.add(d.node, never));
  CHECK(timer_heap::remove(c.node));
  CHECK(heap.next() == origin + 20ms);
  CHECK(timer_heap::remove(a.node));
  CHECK(timer_heap::remove(b.node));
  CHECK(heap.next() == never);
  CHECK(timer_heap::remove(d.node));
}

TEST_CASE("timer_heap: expire fires what is due, and only that") {
  timer_heap heap;
  noting_timer timers[3];
  for (int i = 0; i < 3; ++i) heap.add(timers[i].node, origin + 10ms * (i + 1));
  expire(heap, origin + 10ms - 1ns);
  CHECK(timers[0].fired == 0);
  expire(heap, origin + 20ms);
  CHECK(timers[0].fired == 1);
  CHECK(timers[1].fired == 1);
  CHECK(timers[1].fired_at == origin + 20ms);
  CHECK(timers[2].fired == 0);
  CHECK(heap.next() == origin + 30ms);
  expire(heap, origin + 1h);
  CHECK(timers[2].fired == 1);
  CHECK(heap.next() == never);
}

TEST_CASE("timer_heap: a timer may be added again after it fired or was removed") {
  timer_heap heap;
  noting_timer timer;
  for (int i = 1; i <= 10; ++i) {
    heap.add(timer.node, origin + 1ms);
    expire(heap, origin + 1ms);
    CHECK(timer.fired == i);
    CHECK_FALSE(timer_heap::remove(timer.node));
    heap.add(timer.node, origin + 1ms);
    CHECK(timer_heap::remove(timer.node));
    CHECK_FALSE(timer_heap::remove(timer.node));
    expire(heap, origin + 1ms);
    CHECK(timer.fired == i);
  }
}

TEST_CASE("timer_heap: a timer with a period fires once for each look, and keeps its phase") {
  timer_heap heap;
  noting_timer ticker;
  noting_timer other;
  ticker.node.period = 10ms;
  heap.add(ticker.node, origin + 10ms);
  heap.add(other.node, origin + 45ms);
  expire(heap, origin + 10ms);
  CHECK(ticker.fired == 1);
  CHECK(heap.next() == origin + 20ms);
  expire(heap, origin + 47ms);  // three are due: the oldest fires, the others are dropped
  CHECK(ticker.fired == 2);
  CHECK(ticker.fired_at == origin + 20ms);
  CHECK(other.fired == 1);
  CHECK(heap.next() == origin + 50ms);
  expire(heap, origin + 50ms);
  CHECK(ticker.fired == 3);
  CHECK(timer_heap::remove(ticker.node));
  CHECK_FALSE(timer_heap::remove(ticker.node));
  CHECK(heap.next() == never);
}

TEST_CASE("timer_heap: a series ends where the clock does") {
  timer_heap heap;
  noting_timer ticker;
  ticker.node.period = nanoseconds::max() - 5ns;
  heap.add(ticker.node, origin + 10ms);
  expire(heap, origin + 10ms);
  CHECK(ticker.fired == 1);
  CHECK(heap.next() == never);
  CHECK_FALSE(timer_heap::remove(ticker.node));
}

TEST_CASE("timer_heap: many timers fire in the order of their deadlines, removed ones never") {
  auto random = generator(1);
  timer_heap heap;
  std::vector<noting_timer*> order;
  order.reserve(many_timers);
  const auto timers = std::make_unique<noting_timer[]>(many_timers);
  for (std::size_t i = 0; i < many_timers; ++i) {
    timers[i].order = &order;
    timers[i].due = origin + std::chrono::microseconds(random() % many_timers);
    heap.add(timers[i].node, timers[i].due);
  }
  std::size_t removed = 0;
  for (std::size_t i = 0; i < many_timers; ++i) {
    if (random() % 4 != 0) continue;
    timers[i].due = never;
    if (!timer_heap::remove(timers[i].node)) FAIL("not linked");
    ++removed;
  }
  // In several steps, each of which fires its part.
  time_point now = origin;
  while (heap.next() != never) {
    now = std::max(now + 1ms, heap.next());
    const std::size_t before = order.size();
    expire(heap, now);
    CHECK(order.size() > before);
    if (heap.next() <= now) FAIL("something due is left");
  }
  CHECK(order.size() == many_timers - removed);
  CHECK(std::is_sorted(
      order.begin(), order.end(), [](const auto* a, const auto* b) { return a->due < b->due; }));
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < many_timers; ++i) {
    wrong += timers[i].fired != (timers[i].due == never ? 0 : 1) ? 1 : 0;
  }
  CHECK(wrong == 0);
}

TEST_CASE("timer_heap: fibers that timers make ready come back as a list, in order") {
  struct waking_timer {
    timer_node node;
    fiber* who = nullptr;
  };
  const auto fibers = std::make_unique<fiber[]>(3);
  waking_timer timers[3];
  timer_heap heap;
  for (std::size_t i = 0; i < 3; ++i) {
    timers[i].who = &fibers[i];
    timers[i].node.fire = [](timer_node& self, time_point, fiber_queue& ready) noexcept {
      ready.push(reinterpret_cast<waking_timer&>(self).who);
    };
    heap.add(timers[i].node, origin + std::chrono::milliseconds(3 - i));
  }
  fiber_queue ready;
  heap.expire(origin + 5ms, ready);
  CHECK(ready.pop() == &fibers[2]);
  CHECK(ready.pop() == &fibers[1]);
  CHECK(ready.pop() == &fibers[0]);
  CHECK(ready.pop() == nullptr);
}

TEST_CASE("timer_heap: a fiber that parks on its timer keeps the lock until it is at rest") {
  timer_heap heap;
  noting_timer timer;
  heap.add_and_keep_lock(timer.node, origin + 1ms);
  std::atomic<bool> expired{false};
  std::thread other([&] {
    expire(heap, origin + 1ms);
    expired = true;
  });
  for (int i = 0; i < 100; ++i) std::this_thread::yield();
  CHECK_FALSE(expired);
  CHECK(timer.fired == 0);
  heap.added();
  other.join();
  CHECK(timer.fired == 1);
}

// Owner adds and expires, others remove: each timer fires, or its removal succeeds, never both.
// After remove() nobody touches the timer: it is destroyed at once, which ASan and TSan check.
TEST_CASE("timer_heap: removal from other threads races with firing") {
  timer_heap heap;
  std::vector<std::atomic<noting_timer*>> slots(64);
  std::atomic<bool> over{false};
  std::atomic<std::size_t> removed{0};
  std::atomic<std::size_t> fired{0};
  std::atomic<std::size_t> wrong{0};
  const auto dispose = [&](noting_timer* timer) {
    const bool was_removed = timer_heap::remove(timer->node);
    const int fires = timer->fired;
    if (fires + (was_removed ? 1 : 0) != 1) ++wrong;
    ++(was_removed ? removed : fired);
    delete timer;
  };
  std::vector<std::thread> removers;
  for (std::uint64_t id = 0; id < 2; ++id) {
    removers.emplace_back([&, id] {
      auto random = generator(100 + id);
      while (!over) {
        if (noting_timer* timer = slots[random() % slots.size()].exchange(nullptr)) {
          dispose(timer);
        } else {
          std::this_thread::yield();
        }
      }
    });
  }
  std::thread helper([&] {  // another worker that looks after this heap
    while (!over) {
      expire(heap, steady_clock::now());
      std::this_thread::yield();
    }
  });
  auto random = generator(99);
  for (std::size_t i = 0; i < racing_timers; ++i) {
    auto* const timer = std::make_unique<noting_timer>().release();
    heap.add(timer->node, steady_clock::now() + std::chrono::microseconds(random() % 50));
    if (noting_timer* old = slots[random() % slots.size()].exchange(timer)) dispose(old);
    if (i % 8 == 0) expire(heap, steady_clock::now());
  }
  over = true;
  for (auto& thread : removers) thread.join();
  helper.join();
  for (auto& slot : slots) {
    if (noting_timer* timer = slot) dispose(timer);
  }
  CHECK(wrong == 0);
  CHECK(removed + fired == racing_timers);
  CHECK(heap.next() == never);
}

TEST_CASE("clock: deadlines saturate") {
  const time_point now = steady_clock::now();
  CHECK(deadline_after(now, 5ms) == now + 5ms);
  CHECK(deadline_after(now, 0ns) == now);
  CHECK(deadline_after(now, -5ms) == now);
  CHECK(deadline_after(now, nanoseconds::min()) == now);
  CHECK(deadline_after(now, nanoseconds::max()) == never);
  CHECK(deadline_after(never, 1ns) == never);
}
