#include <ringo/testing/explore.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <ringo/ringo.hpp>
#include <ringo/testing/bubble.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/sizes.hpp"

namespace {

using namespace std::chrono_literals;
using ringo::test::panic_text;
using ringo::testing::exploration_failure;
using ringo::testing::explore;

/// The failure that exploring `fn` finds; empty: none.
template <class F>
std::optional<exploration_failure> find_failure(ringo::testing::seed_range seeds, F fn) {
  try {
    explore(seeds, fn);
  } catch (const exploration_failure& failure) {
    return failure;
  }
  return std::nullopt;
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

/// What happened, in order. The lock of the standard library is no point at which fibers are
/// preempted.
class record {
 public:
  void add(char what) {
    const std::lock_guard guard(lock_);
    text_ += what;
  }
  std::string text() {
    const std::lock_guard guard(lock_);
    return text_;
  }

 private:
  std::mutex lock_;
  std::string text_;
};

// Three programs with a planted bug each, that ordinary runs do not show: the fiber that would have
// to be held up has a handful of instructions to go, and no reason to stop there.

/// A lost wake-up: the waiter looks at the flag without the lock under which it is set.
void lost_wake_up() {
  struct shared_state {
    ringo::mutex lock;
    ringo::condition_variable changed;
    std::atomic<bool> ready{false};
  };
  auto shared = std::make_shared<shared_state>();
  auto waiter = ringo::spawn([shared] {
    if (shared->ready) return;
    std::unique_lock guard(shared->lock);
    shared->changed.wait(guard);
  });
  shared->ready = true;
  shared->changed.notify_one();
  waiter.join();
}

/// An order violation: a fiber uses what its starter prepares after starting it.
void order_violation() {
  struct service {
    ringo::mutex lock;
    std::unique_ptr<int> settings;
  };
  auto shared = std::make_shared<service>();
  auto ready = ringo::make_chan<void>(1);
  ringo::wait_group users;
  users.go([shared, ready] {
    ready.recv();
    const std::lock_guard guard(shared->lock);
    if (shared->settings == nullptr) throw std::runtime_error("used before it was there");
  });
  ready.send();
  {
    const std::lock_guard guard(shared->lock);
    shared->settings = std::make_unique<int>(1);
  }
  users.wait();
}

/// A double close: two fibers see that the channel is open, and both close it.
void double_close() {
  struct shared_state {
    ringo::chan<void> done = ringo::make_chan<void>();
    std::atomic<bool> closed{false};
  };
  auto shared = std::make_shared<shared_state>();
  const auto close = [shared] {
    if (shared->closed) return;
    shared->done.close();
    shared->closed = true;
  };
  ringo::wait_group closers;
  closers.go(close);
  closers.go(close);
  closers.wait();
}

struct planted {
  const char* name;
  void (*run)();
  const char* text;
};
constexpr planted bugs[] = {
    {"a lost wake-up", &lost_wake_up, "all fibers are asleep - deadlock!"},
    {"an order violation", &order_violation, "used before it was there"},
    {"a double close", &double_close, "close of closed channel"},
};

}  // namespace

TEST_CASE("explore: finds planted bugs, and replays them by their seed") {
  for (const planted& bug : bugs) {
    CAPTURE(bug.name);
    const auto found = find_failure({.first = 1, .count = 1000}, bug.run);
    REQUIRE(found);
    INFO(found->what());
    CHECK(contains(found->what(), bug.text));
    CHECK(contains(found->what(), ("seed " + std::to_string(found->seed())).c_str()));
    for (int i = 0; i < 20; ++i) {
      const auto again = find_failure({.first = found->seed(), .count = 1}, bug.run);
      REQUIRE(again);
      CHECK(again->seed() == found->seed());
      CHECK(contains(again->what(), bug.text));
    }
  }
}

TEST_CASE("explore: ordinary runs miss the planted bugs") {
  // On one worker, where a fiber goes on until it blocks, as in most tests.
  for (const planted& bug : bugs) {
    CAPTURE(bug.name);
    ringo::test::run_on(1, [&] {
      for (std::size_t i = 0; i < ringo::test::sizes::ordinary_runs; ++i) bug.run();
    });
  }
}

TEST_CASE("explore: one seed is one schedule, and others are others") {
  const auto schedule_of = [](std::uint64_t seed) {
    std::string result;
    explore({.first = seed, .count = 1}, [&result] {
      record order;
      auto values = ringo::make_chan<char>(1);
      ringo::wait_group done;
      for (const char name : {'a', 'b', 'c', 'd'}) {
        done.go([&order, values, name] {
          for (int i = 0; i < 3; ++i) {
            values.send(name);
            order.add(name);
            ringo::sleep_for(std::chrono::milliseconds(i));
          }
        });
      }
      ringo::go([&done, values] {
        done.wait();
        values.close();
      });
      for (const char value : values) order.add(static_cast<char>(value - 'a' + 'A'));
      result = order.text();
    });
    return result;
  };
  std::vector<std::string> first;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) first.push_back(schedule_of(seed));
  std::size_t same_as_before = 0;
  for (std::uint64_t seed = 20; seed >= 1; --seed) {
    CHECK(schedule_of(seed) == first[seed - 1]);
    if (seed > 1 && first[seed - 1] == first[seed - 2]) ++same_as_before;
  }
  CHECK(same_as_before < 5);
}

TEST_CASE("explore: a seed gives the same schedule alone as behind others") {
  std::vector<std::string> orders;
  const auto body = [&orders] {
    record order;
    ringo::wait_group done;
    for (const char name : {'a', 'b', 'c'}) {
      done.go([&order, name] {
        for (int i = 0; i < 4; ++i) {
          order.add(name);
          ringo::yield();
        }
      });
    }
    done.wait();
    orders.push_back(order.text());
  };
  explore({.first = 1, .count = 50}, body);
  for (const std::uint64_t seed : {50U, 17U, 2U}) {
    explore({.first = seed, .count = 1}, body);
    CHECK(orders.back() == orders[seed - 1]);
  }
}

TEST_CASE("explore: comes by every order of a small program, and every ready case of a select") {
  std::set<std::string> orders;
  std::set<std::size_t> cases;
  explore(2000, [&] {
    record order;
    auto one = ringo::make_chan<int>(1);
    auto other = ringo::make_chan<int>(1);
    ringo::wait_group done;
    for (const char name : {'a', 'b'}) {
      done.go([&, name] {
        order.add(name);
        (name == 'a' ? one : other).send(1);
        order.add(name);
      });
    }
    done.wait();
    orders.insert(order.text());
    cases.insert(ringo::select(ringo::recv(one, [](auto) {}), ringo::recv(other, [](auto) {})));
  });
  CHECK(orders == std::set<std::string>{"aabb", "abab", "abba", "baab", "baba", "bbaa"});
  CHECK(cases.size() == 2);
}

TEST_CASE("explore: finds no fault in a correct program") {
  explore(300, [] {
    ringo::mutex lock;
    ringo::condition_variable changed;
    int turn = 0;
    auto results = ringo::make_chan<int>();
    const auto [ctx, cancel] = ringo::with_timeout(ringo::background(), 1h);
    for (int i = 0; i < 4; ++i) {
      ringo::go([&, i, ctx = ctx] {
        {
          std::unique_lock guard(lock);
          changed.wait(guard, [&] { return turn == i; });
          ++turn;
        }
        changed.notify_all();
        if (const auto failed = results.send(ctx, i)) throw std::system_error(failed);
      });
    }
    int sum = 0;
    for (int i = 0; i < 4; ++i) sum += results.recv().value_or(100);
    if (sum != 6 || turn != 4) throw std::runtime_error("lost something");
    cancel();
  });
}

TEST_CASE("explore: an exception out of the function is nested in the failure") {
  struct special : std::runtime_error {
    using std::runtime_error::runtime_error;
  };
  bool found = false;
  try {
    explore(10, [] { throw special("so it goes"); });
  } catch (const exploration_failure& failure) {
    CHECK(failure.seed() == 1);
    CHECK(contains(failure.what(), "so it goes"));
    try {
      std::rethrow_if_nested(failure);
    } catch (const special&) {
      found = true;
    }
  }
  CHECK(found);
}

TEST_CASE("explore: finds deadlocks of locks, and fibers that are left") {
  const auto crossed = find_failure({.first = 1, .count = 200}, [] {
    auto one = std::make_shared<ringo::mutex>();
    auto other = std::make_shared<ringo::mutex>();
    ringo::wait_group done;
    done.go([=] {
      const std::lock_guard outer(*one);
      const std::lock_guard inner(*other);
    });
    done.go([=] {
      const std::lock_guard outer(*other);
      const std::lock_guard inner(*one);
    });
    done.wait();
  });
  REQUIRE(crossed);
  CHECK(contains(crossed->what(), "sync.Mutex.Lock"));

  const auto left = find_failure({.first = 1, .count = 1}, [] {
    ringo::go([channel = ringo::make_chan<int>()] { channel.recv(); });
  });
  REQUIRE(left);
  CHECK(contains(left->what(), "its first fiber has returned"));
}

TEST_CASE("explore: what has failed does not go on") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    auto after = std::make_shared<std::atomic<bool>>(false);
    const auto found = find_failure({.first = seed, .count = 1}, [after] {
      auto gate = ringo::make_chan<void>();
      ringo::go([gate] {
        gate.recv();
        throw std::runtime_error("out of a fiber");
      });
      gate.send();
      for (int i = 0; i < 5000; ++i) ringo::yield();
      *after = true;
    });
    REQUIRE(found);
    CHECK(contains(found->what(), "out of a fiber"));
    CHECK(!*after);
  }
}

TEST_CASE("explore: RINGO_SEED replays one seed") {
  struct variable {
    explicit variable(const char* text) { ::setenv("RINGO_SEED", text, 1); }
    variable(const variable&) = delete;
    variable& operator=(const variable&) = delete;
    ~variable() { ::unsetenv("RINGO_SEED"); }
  };
  int runs = 0;
  {
    const variable seed("77");
    const auto found = find_failure({.first = 1, .count = 100}, [&runs] {
      ++runs;
      throw std::runtime_error("always");
    });
    REQUIRE(found);
    CHECK(found->seed() == 77);
  }
  CHECK(runs == 1);
  const variable bad("seven");
  CHECK(panic_text([] { explore(1, [] {}); }) == "explore: RINGO_SEED: not a number: \"seven\"");
}

TEST_CASE("explore: panics while a runtime runs, and leaves ordinary runs as they were") {
  ringo::test::run_on_each(
      [] { CHECK(panic_text([] { explore(1, [] {}); }) == "run: already running"); });
  explore(1, [] { CHECK(ringo::set_workers(4) == 1); });
  ringo::test::run_on(2, [] { CHECK(ringo::workers() == 2); });
}
