// Bubbles under load: many at once, each with a tree of fibers that wait in random ways. Each fiber
// keeps a clock of its own, the model: it knows to the nanosecond when each wait must end, since
// only what it does itself, and what it has arranged with its children, moves its time. Checked: no
// bubble ends early, is found stuck, or hangs; and every wait ends at its time.
//
// RINGO_SEED repeats the choices of a run, RINGO_STRESS_SECONDS (default 2) makes it longer.

#include <doctest/doctest.h>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <system_error>
#include <utility>
#include <vector>

#include <ringo/ringo.hpp>
#include <ringo/testing/bubble.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/threads.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;
using time_point = std::chrono::steady_clock::time_point;

namespace {

/// Takes random steps in a bubble.
class actor {
 public:
  actor(std::uint64_t stream, int depth) : random_(stream), depth_(depth), model_(ringo::now()) {}

  /// Returns when it must have ended.
  time_point operator()(std::size_t steps) {
    for (std::size_t i = 0; i < steps; ++i) {
      step();
      EXPECT_EQ((ringo::now() - model_).count(), 0);
    }
    return model_;
  }

 private:
  std::mt19937_64 random_;
  int depth_;
  time_point model_;

  std::size_t below(std::size_t bound) { return random_() % bound; }
  bool one_in(std::size_t n) { return below(n) == 0; }
  /// Few different ones, so that many things are due at one time.
  nanoseconds a_while() { return one_in(4) ? nanoseconds(below(3)) : below(20) * 1min; }

  void step() {
    switch (below(depth_ > 0 ? 16 : 10)) {
      case 0: doze(); break;
      case 1: receive_from_timer(); break;
      case 2: select_with_timeout(); break;
      case 3: receive_until_deadline(); break;
      case 4: sleep_in_context(); break;
      case 5: listen_to_ticker(); break;
      case 6: wait_for_function(); break;
      case 7: reset_timer(); break;
      case 8: wait_for_cancel(); break;
      case 9: block_or_yield(); break;
      case 10: join_children(); break;
      case 11: wait_for_group(); break;
      case 12: wait_for_condition(); break;
      case 13: collect_from_children(); break;
      case 14: join_in_vain(); break;
      default: share_lock(); break;
    }
  }

  /// An actor that begins now.
  auto child() {
    return [stream = random_(), depth = depth_ - 1, steps = 1 + below(4)] {
      return actor(stream, depth)(steps);
    };
  }

  void doze() {
    const auto time = a_while();
    if (one_in(2)) {
      ringo::sleep_for(time);  // tidy: real time: virtual
    } else {
      ringo::sleep_until(model_ + time);  // tidy: real time: virtual
    }
    model_ += time;
  }
  void receive_from_timer() {
    const auto time = a_while();
    const auto unheard = ringo::after(a_while());
    EXPECT(*ringo::after(time).recv() == model_ + time);
    model_ += time;
  }
  void select_with_timeout() {
    const auto time = a_while();
    const auto other = a_while();
    auto quiet = ringo::make_chan<int>();
    auto sooner = ringo::after(time);
    auto later = ringo::after(other);
    ringo::select(
        ringo::recv(quiet), ringo::recv(sooner), ringo::recv(later), ringo::send(quiet, 1));
    model_ += std::min(time, other);
  }
  void receive_until_deadline() {
    const auto time = a_while();
    const auto above = ringo::with_timeout(ringo::background(), a_while() + 1h);
    const auto [ctx, cancel] = ringo::with_timeout(above.ctx, time);
    auto quiet = one_in(2) ? ringo::make_chan<int>() : ringo::chan<int>();
    switch (below(3)) {
      case 0: EXPECT(quiet.recv(ctx).error() == ringo::errc::deadline_exceeded); break;
      case 1: EXPECT(quiet.send(ctx, 1) == ringo::errc::deadline_exceeded); break;
      default: ctx.done().recv();
    }
    model_ += time;
  }
  void sleep_in_context() {
    const auto time = a_while();
    const auto limit = a_while();
    const auto [ctx, cancel] = ringo::with_timeout(ringo::background(), limit);
    const auto error = ringo::sleep_for(ctx, time);  // tidy: real time: virtual
    if (time < limit) EXPECT(!error);
    if (limit < time) EXPECT(error == ringo::errc::deadline_exceeded);
    model_ += std::min(time, limit);
  }
  void listen_to_ticker() {
    const auto period = a_while() + 1ns;
    const ringo::ticker ticker(period);
    for (std::size_t n = below(5); n > 0; --n) {
      model_ += period;
      EXPECT(*ticker.channel().recv() == model_);
      if (one_in(4)) ticker.reset(period);
    }
  }
  void wait_for_function() {
    const auto time = a_while();
    auto ran = ringo::make_chan<time_point>(static_cast<std::ptrdiff_t>(below(2)));
    ringo::after_func(time, [ran] { ran.send(ringo::now()); });
    EXPECT(*ran.recv() == model_ + time);
    model_ += time;
  }
  void reset_timer() {
    const auto first = a_while() + 1ns;
    const auto second = a_while();
    const ringo::timer timer(first);
    EXPECT(timer.stop());
    EXPECT(!timer.reset(first));
    EXPECT(timer.reset(second));
    EXPECT(*timer.channel().recv() == model_ + second);
    model_ += second;
  }
  void wait_for_cancel() {
    const auto time = a_while();
    const auto derived = ringo::with_cancel(ringo::background());
    ringo::after_func(time, [cancel = derived.cancel] { cancel(); });
    const auto child = ringo::with_timeout(derived.ctx, 100h);
    EXPECT(ringo::make_chan<int>().recv(child.ctx).error() == ringo::errc::canceled);
    model_ += time;
  }
  void block_or_yield() {
    if (one_in(8)) {
      ringo::blocking([&] { EXPECT(ringo::now() == model_); });
    } else {
      for (std::size_t n = below(10); n > 0; --n) ringo::yield();
    }
  }

  void join_children() {
    std::vector<ringo::task<time_point>> tasks;
    for (std::size_t n = below(5); n > 0; --n) tasks.push_back(ringo::spawn(child()));
    for (auto& task : tasks) model_ = std::max(model_, task.join());
  }
  void wait_for_group() {
    ringo::wait_group group;
    const std::size_t size = below(5);
    auto ends = std::make_shared<std::vector<time_point>>(size);
    for (std::size_t i = 0; i < size; ++i) {
      group.go([ends, i, work = child(), exits = one_in(4)] {
        (*ends)[i] = work();
        if (exits) ringo::goexit();
      });
    }
    group.wait();
    for (const auto end : *ends) model_ = std::max(model_, end);
  }
  void wait_for_condition() {
    ringo::mutex lock;
    ringo::condition_variable condition;
    std::optional<time_point> end;
    auto task = ringo::spawn([&, work = child()] {
      const auto result = work();
      {
        const std::lock_guard guard(lock);
        end = result;
      }
      condition.notify_all();
    });
    {
      std::unique_lock guard(lock);
      condition.wait(guard, [&] { return end.has_value(); });
      model_ = *end;
    }
    task.join();
  }
  void collect_from_children() {
    auto ends = ringo::make_chan<time_point>(static_cast<std::ptrdiff_t>(below(3)));
    const std::size_t count = below(5);
    for (std::size_t i = 0; i < count; ++i) {
      ringo::go([ends, work = child()] { ends.send(work()); });
    }
    for (std::size_t i = 0; i < count; ++i) model_ = std::max(model_, *ends.recv());
  }
  /// A join that gives up at a deadline, and another one.
  void join_in_vain() {
    const auto time = a_while();
    auto task = ringo::spawn(child());
    const auto [ctx, cancel] = ringo::with_timeout(ringo::background(), time);
    if (const auto end = task.join(ctx)) {
      EXPECT(*end <= model_ + time);
      model_ = *end;
    } else {
      EXPECT(end.error() == ringo::errc::deadline_exceeded);
      model_ += time;
      model_ = std::max(model_, task.join());
    }
  }
  /// Nobody sleeps with the lock in hand.
  void share_lock() {
    ringo::mutex lock;
    int count = 0;
    fiber_group group;
    for (int i = 0; i < 3; ++i) {
      group.go([&] {
        for (int j = 0; j < 5; ++j) {
          const std::lock_guard guard(lock);
          const int before = count;
          if (j % 2 == 0) ringo::yield();
          count = before + 1;
        }
      });
    }
    group.join();
    EXPECT_EQ(count, 15);
  }
};

/// testing::wait() while others work: they are all blocked or gone then, and no time has passed.
void watch_others(std::mt19937_64& random) {
  const auto begin = ringo::now();
  std::atomic<int> busy{0};
  fiber_group group;
  for (std::size_t n = random() % 4; n > 0; --n) {
    group.go([&, yields = random() % 20, time = (1 + random() % 3) * 1s] {
      for (int i = 0; i < 3; ++i) {
        ++busy;
        for (std::size_t left = yields; left > 0; --left) ringo::yield();
        --busy;
        ringo::sleep_for(time);  // tidy: real time: virtual
      }
    });
  }
  ringo::testing::wait();
  EXPECT_EQ(busy.load(), 0);
  EXPECT(ringo::now() == begin);
  for (int i = 0; i < 3; ++i) {
    ringo::sleep_for(1s);  // tidy: real time: virtual
    ringo::testing::wait();
    EXPECT_EQ(busy.load(), 0);
  }
  group.join();
}

void play_bubble(std::uint64_t stream) {
  std::mt19937_64 random(stream);
  ringo::testing::bubble([&] {
    if (random() % 4 == 0) watch_others(random);
    actor(random(), 2)(1 + random() % 10);
  });
}

void play_round(std::uint64_t round) {
  auto random = generator(round);
  fiber_group fibers;
  thread_group threads;
  for (std::size_t n = 1 + random() % 12; n > 0; --n) {
    fibers.go([stream = random(), count = 1 + random() % 4] {
      for (std::size_t i = 0; i < count; ++i) play_bubble(stream + i);
    });
  }
  for (std::size_t n = random() % 3; n > 0; --n) {
    threads.start([stream = random()] { play_bubble(stream); });
  }
  fibers.join();
  threads.join();
}

std::chrono::milliseconds duration() {
  const char* const given = std::getenv("RINGO_STRESS_SECONDS");
  return std::chrono::seconds(given != nullptr ? std::atoi(given) : 2);
}

void play(std::size_t workers, std::chrono::milliseconds how_long) {
  constexpr std::uint64_t rounds_in_a_run = 20;
  CAPTURE(seed());
  // The test's time limit is for tests of the default length.
  ::alarm(static_cast<unsigned>(how_long.count() / 1000) + sizes::test_case_seconds_max);
  const auto end = std::chrono::steady_clock::now() + how_long;
  std::uint64_t round = workers << 32;
  while (std::chrono::steady_clock::now() < end) {
    CAPTURE(round);
    run_on(workers, [&] {
      for (std::uint64_t i = 0; i < rounds_in_a_run; ++i) play_round(round++);
    });
  }
  MESSAGE((round & 0xFFFFFFFF) << " rounds on " << workers << " workers");
}

}  // namespace

TEST_CASE("bubble: random trees of fibers keep virtual time exactly, on eight workers") {
  play(8, duration());
}

TEST_CASE("bubble: random trees of fibers keep virtual time exactly, on two workers") {
  play(2, duration() / 4);
}

TEST_CASE("bubble: random trees of fibers keep virtual time exactly, on one worker") {
  play(1, duration() / 4);
}
