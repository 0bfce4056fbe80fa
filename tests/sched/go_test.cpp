#include <ringo/go.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/runtime.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"
#include "support/virtual_time.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;

namespace {

constexpr auto spawned_fibers = sizes::pick<int>(10'000, 3'000, 1'000);
constexpr auto threads_spawn = sizes::pick<int>(2'000, 1'000, 300);

std::atomic<int> free_function_calls{0};
void free_function() {
  ++free_function_calls;
}

struct counted {
  static inline std::atomic<int> copies{0};
  static inline std::atomic<int> alive{0};
  counted() { ++alive; }
  counted(const counted&) {
    ++copies;
    ++alive;
  }
  counted(counted&&) noexcept { ++alive; }
  counted& operator=(const counted&) = default;
  counted& operator=(counted&&) noexcept = default;
  ~counted() { --alive; }
};

struct throws_when_copied {
  throws_when_copied() = default;
  throws_when_copied(const throws_when_copied&) { throw std::runtime_error("copy"); }
  throws_when_copied& operator=(const throws_when_copied&) = delete;
  void operator()() const {}
};

}  // namespace

TEST_CASE("GR-1: go takes functions, lambdas, members, std::function and arguments") {
  run_on_each([] {
    auto done = ringo::make_chan<int>();
    free_function_calls = 0;
    ringo::go(free_function);
    ringo::go(&free_function);
    eventually([] { return ringo::num_fibers() == 1; });
    EXPECT_EQ(free_function_calls, 2);

    ringo::go([done](int a, const std::string& b) mutable { done.send(a + std::stoi(b)); }, 1, "2");
    EXPECT(done.recv() == 3);
    const std::function<void()> function = [done]() mutable { done.send(4); };
    ringo::go(function);
    EXPECT(done.recv() == 4);
    struct object {
      ringo::chan<int> out;
      int base;
      void add(int more) { out.send(base + more); }
    };
    ringo::go(&object::add, object{done, 5}, 1);
    EXPECT(done.recv() == 6);
    object shared{done, 7};
    ringo::go(&object::add, &shared, 1);
    EXPECT(done.recv() == 8);
    int target = 0;
    ringo::go(
        [done](int& out) mutable {
          out = 9;
          done.send(0);
        },
        std::ref(target));
    EXPECT(done.recv() == 0);
    EXPECT_EQ(target, 9);
    ringo::go([done](std::unique_ptr<int> owned) mutable { done.send(*owned); },
              std::make_unique<int>(10));
    EXPECT(done.recv() == 10);
    ringo::go([done]() mutable {
      done.send(11);
      return 12;  // dropped
    });
    EXPECT(done.recv() == 11);
  });
}

TEST_CASE("GR-1: arguments are evaluated and copied by the caller, before go returns") {
  run_on_each([] {
    auto done = ringo::make_chan<std::uint64_t>();
    const auto here = ringo::this_fiber::id();
    ringo::go([done](std::uint64_t id) mutable { done.send(id); }, ringo::this_fiber::id());
    EXPECT(done.recv() == here);

    std::string text = "before";
    auto out = ringo::make_chan<std::string>();
    ringo::go([out](const std::string& copy) mutable { out.send(copy); }, text);
    text = "after";
    EXPECT(out.recv() == "before");
  });
}

TEST_CASE("go: what the fiber owns is destroyed when it ends, and copied at most once") {
  run_on_each([] {
    counted::copies = 0;
    {
      counted value;
      ringo::spawn([value] { static_cast<void>(value); }).join();
      ringo::go([](const counted&) {}, value);
      ringo::go([value, big = std::array<char, 500>{}] {
        static_cast<void>(value), static_cast<void>(big);
      });
    }
    eventually([] { return ringo::num_fibers() == 1; });
    EXPECT_EQ(counted::alive, 0);
    EXPECT_EQ(counted::copies, 3);
    counted::copies = 0;
    ringo::go([](const counted&) {}, counted{});
    eventually([] { return ringo::num_fibers() == 1; });
    EXPECT_EQ(counted::copies, 0);
  });
}

TEST_CASE("GR-2: go of a null function panics at the go statement") {
  run_on_each([] {
    void (*const null)() = nullptr;
    EXPECT_EQ(panic_text([&] { ringo::go(null); }), std::string("go of nil func value"));
    EXPECT_EQ(panic_text([] { ringo::go(std::function<void()>{}); }),
              std::string("go of nil func value"));
    EXPECT_EQ(panic_text([] { ringo::go(std::function<void(int)>{}, 1); }),
              std::string("go of nil func value"));
    EXPECT_EQ(panic_text([&] { ringo::spawn(null).join(); }), std::string("go of nil func value"));
    EXPECT_EQ(ringo::num_fibers(), 1U);
  });
}

TEST_CASE("go: bad stack sizes panic at the go statement") {
  run_on(2, [] {
    for (const std::size_t size :
         {std::size_t{1}, std::size_t{32 * 1024 - 1}, (std::size_t{1} << 30) + 1, SIZE_MAX}) {
      EXPECT_EQ(panic_text([&] { ringo::go({.stack_size = size}, [] {}); }),
                std::string("go: stack_size out of range"));
    }
    for (const std::size_t size : {32UL << 10, 50'000UL, 1UL << 20, 1UL << 30}) {
      EXPECT_EQ(ringo::spawn({.stack_size = size}, [] { return 1; }).join(), 1);
    }
    EXPECT_EQ(ringo::num_fibers(), 1U);
  });
}

TEST_CASE("go: a callable that cannot be copied leaves no fiber behind") {
  run_on_each([] {
    const throws_when_copied callable;
    for (int i = 0; i < 300; ++i) {
      try {
        ringo::go({.name = "never"}, callable);
        EXPECT(false);
      } catch (const std::runtime_error&) {
      }
    }
    EXPECT_EQ(ringo::num_fibers(), 1U);
  });
}

TEST_CASE("go: every fiber runs once, however many there are") {
  run_on_each([] {
    std::atomic<int> runs{0};
    for (int i = 0; i < spawned_fibers; ++i) ringo::go([&runs] { ++runs; });
    eventually([&] { return runs == spawned_fibers; });
    // From within, in a tree.
    struct tree {
      std::atomic<int>& runs;
      void operator()(int depth) const {
        ++runs;
        if (depth == 0) return;
        ringo::go(*this, depth - 1);
        ringo::go(*this, depth - 1);
      }
    };
    runs = 0;
    ringo::go(tree{runs}, 9);
    eventually([&] { return runs == 1023; });
  });
}

TEST_CASE("go: plain threads may start fibers while the runtime runs") {
  run_on_each([] {
    constexpr int count = 4;
    std::atomic<int> runs{0};
    thread_group threads;
    for (int i = 0; i < count; ++i) {
      threads.start([&] {
        for (int k = 0; k < threads_spawn; ++k) {
          ringo::go([&runs] { ++runs; });
          if (k % 100 == 0) {
            EXPECT_EQ(ringo::spawn([k] { return k; }).join(), k);
          }
        }
      });
    }
    threads.join();
    eventually([&] { return runs == count * threads_spawn; });
  });
}

TEST_CASE("GR-3: what was done before go is seen by the fiber") {
  run_on_each([] {
    for (int i = 0; i < 1'000; ++i) {
      int plain = i;  // ThreadSanitizer checks the order
      auto task = ringo::spawn([&plain] { return plain++; });
      EXPECT_EQ(task.join(), i);
      EXPECT_EQ(plain, i + 1);
    }
  });
}

TEST_CASE("GR-6: nobody catches the exception of another fiber") {
  run_on_each([] {
    try {
      ringo::go([] {
        try {
          throw std::runtime_error("own");
        } catch (const std::runtime_error&) {
        }
      });
      eventually([] { return ringo::num_fibers() == 1; });
    } catch (...) {
      EXPECT(false);
    }
  });
}

TEST_CASE("this_fiber: ids are unique, names are as given") {
  run_on_each([] {
    EXPECT_EQ(ringo::this_fiber::name(), std::string_view("main"));
    EXPECT(ringo::this_fiber::id() != 0);
    std::mutex lock;  // never held across a park
    std::set<std::uint64_t> ids = {ringo::this_fiber::id()};
    fiber_group fibers;
    for (int i = 0; i < 3'000; ++i) {
      fibers.go([&] {
        const std::lock_guard<std::mutex> guard(lock);
        ids.insert(ringo::this_fiber::id());
      });
    }
    thread_group threads;
    threads.start([&] {
      EXPECT_EQ(ringo::this_fiber::id(), 0U);
      for (int i = 0; i < 100; ++i) {
        const auto id = ringo::spawn([] { return ringo::this_fiber::id(); }).join();
        const std::lock_guard<std::mutex> guard(lock);
        ids.insert(id);
      }
    });
    fibers.join();
    threads.join();
    EXPECT_EQ(ids.size(), 3'101U);

    std::string name = "short-lived";
    auto task = ringo::spawn({.name = name}, [] {
      ringo::yield();
      return std::string(ringo::this_fiber::name());
    });
    name = "overwritten";
    EXPECT_EQ(task.join(), std::string("short-lived"));
    EXPECT(ringo::spawn([] { return ringo::this_fiber::name().empty(); }).join());
  });
}

TEST_CASE("GR-13: on one worker two fibers that yield take strict turns") {
  run_on(1, [] {
    // Atomic, since one worker does not order its fibers for ThreadSanitizer.
    std::array<std::atomic<int>, 1'000> order{};
    std::atomic<std::size_t> turns{0};
    fiber_group fibers;
    for (const int name : {1, 2}) {
      fibers.go([&, name] {
        for (int i = 0; i < 500; ++i) {
          order[turns++] = name;
          ringo::yield();
        }
      });
    }
    fibers.join();
    std::size_t repeats = 0;
    for (std::size_t i = 1; i < order.size(); ++i) repeats += order[i] == order[i - 1] ? 1 : 0;
    EXPECT_EQ(turns, 1'000U);
    EXPECT_EQ(repeats, 0U);
  });
}

TEST_CASE("GR-13: yield goes behind fibers that are queued anywhere") {
  constexpr int count = 5'000;  // most of them overflow into the inject queue
  run_on(1, [] {
    std::atomic<int> runs{0};
    for (int i = 0; i < count; ++i) ringo::go([&runs] { ++runs; });
    int yields = 0;
    while (runs < count) {
      ringo::yield();
      ++yields;
    }
    EXPECT(yields <= 200);
  });
}

TEST_CASE("sleep: fibers wake in the order of their deadlines, and exactly then") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    std::vector<int> order;  // no lock: one wakes at a time
    fiber_group fibers;
    for (const int ms : {50, 10, 30, 90, 70, 20}) {
      fibers.go([&, ms] {
        const auto deadline = watch.start() + std::chrono::milliseconds(ms);
        if (ms % 20 == 0) {
          ringo::sleep_until(deadline);
        } else {
          ringo::sleep_for(deadline - ringo::now());
        }
        EXPECT_EQ(watch.passed(), std::chrono::milliseconds(ms));
        order.push_back(ms);
      });
    }
    fibers.join();
    EXPECT(order == std::vector<int>{10, 20, 30, 50, 70, 90});
  });
}

TEST_CASE("sleep: durations saturate") {
  run_on_each(
      [] {
        ringo::sleep_for(0s);
        ringo::sleep_for(-1h);
        ringo::sleep_for(std::chrono::hours::min());
        ringo::sleep_until(std::chrono::steady_clock::time_point::min());
        for (int i = 0; i < 3; ++i) {
          go_until_parked("sleep", [] {
            ringo::sleep_for(std::chrono::nanoseconds::max());
            EXPECT(false);
          });
          go_until_parked("sleep", [] {
            ringo::sleep_for(std::chrono::hours::max());
            EXPECT(false);
          });
        }
        let_others_run();
      },
      leftovers::allowed);
}
