// spawn, join, detach. What a detached exception does to the process is in sync_death_test.cpp, the
// race of join and detach with the fiber's end in tests/stress/destruction_test.cpp.

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/sync/wait_group.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"
#include "support/tracked.hpp"

using namespace ringo::test;
using ringo::spawn;
using ringo::task;

static_assert(!std::is_copy_constructible_v<task<int>>);
static_assert(std::is_nothrow_move_constructible_v<task<int>>);
static_assert(std::is_nothrow_move_assignable_v<task<void>>);

namespace {

// clang-format off
//                                                       plain   asan   tsan
constexpr auto race_rounds  = sizes::pick<int>(5'000,  1'000, 300);
constexpr auto many_fibers  = sizes::pick<int>(10'000, 2'000, 500);
constexpr auto depth        = sizes::pick<int>(18,     14,    12);
// clang-format on

constexpr const char* parked_in_join = "task join";
const std::string joined_twice = "join called twice";

int fibonacci(int n) {
  if (n < 2) return n;
  auto left = spawn(fibonacci, n - 1);
  const int right = fibonacci(n - 2);
  return left.join() + right;
}

struct oops : std::runtime_error {
  using std::runtime_error::runtime_error;
  int code = 42;
};

}  // namespace

TEST_CASE("task: join returns what the function returned") {
  run_on_each([] {
    EXPECT_EQ(spawn([] { return 7; }).join(), 7);
    EXPECT_EQ(spawn([] { return std::string(1000, 'x'); }).join(), std::string(1000, 'x'));
    EXPECT_EQ(spawn([](int a, int b) { return a + b; }, 3, 4).join(), 7);
    EXPECT_EQ(*spawn([] { return std::make_unique<int>(5); }).join(), 5);
    bool ran = false;
    spawn([&] { ran = true; }).join();
    EXPECT(ran);
    static_assert(std::is_void_v<decltype(spawn([] {}).join())>);
    static_assert(std::is_same_v<decltype(spawn([] { return 1; })), task<int>>);
    struct no_default {
      explicit no_default(int v) : value(v) {}
      int value;
    };
    EXPECT_EQ(spawn([] { return no_default(9); }).join().value, 9);
  });
}

TEST_CASE("task: join waits, and sees what the fiber did") {
  run_on_each([] {
    auto go_on = ringo::make_chan<void>();
    int value = 0;
    auto working = spawn([&] {
      go_on.recv();
      value = 1;
    });
    const auto joiner = go_until_parked(parked_in_join, [&] {
      working.join();
      EXPECT_EQ(value, 1);
    });
    go_on.send();
    joiner.wait();
    for (int round = 0; round < race_rounds; ++round) {
      int seen = 0;
      auto writer = spawn([&] { seen = round; });
      if (round % 2 == 0) ringo::yield();
      writer.join();
      EXPECT_EQ(seen, round);
    }
  });
}

TEST_CASE("task: arguments are decay-copied, std::ref shares") {
  run_on_each([] {
    std::string text = "before";
    auto copying = spawn([](const std::string& mine) { return mine; }, text);
    text = "after";
    EXPECT_EQ(copying.join(), std::string("before"));
    int counter = 0;
    spawn([](int& shared) { ++shared; }, std::ref(counter)).join();
    EXPECT_EQ(counter, 1);
    auto owned = std::make_unique<int>(3);
    EXPECT_EQ(spawn([](std::unique_ptr<int> mine) { return *mine; }, std::move(owned)).join(), 3);
    struct adder {
      int base;
      int add(int n) const { return base + n; }
    };
    const adder ten{10};
    EXPECT_EQ(spawn(&adder::add, &ten, 5).join(), 15);
  });
}

TEST_CASE("task: a result that can only be moved is never copied and is destroyed once") {
  run_freely_on_each([] {
    ledger book;
    {
      const tracked result = spawn([&] { return tracked(book, 3); }).join();
      EXPECT_EQ(result.value(), 3);
      EXPECT(result.holds_value());
    }
    EXPECT_EQ(book.live.load(), 0);
    EXPECT_EQ(book.copies.load(), 0);
    {
      const auto dropped = spawn([&] { return tracked(book, 4); });
    }
    eventually([] { return ringo::num_fibers() == 1; });
    EXPECT_EQ(book.live.load(), 0);
  });
}

TEST_CASE("task: what the function captured is destroyed before join returns") {
  run_on_each([] {
    ledger book;
    auto working = spawn([mine = tracked(book, 1)] { ringo::yield(); });
    working.join();
    EXPECT_EQ(book.live.load(), 0);
    auto throwing = spawn([mine = tracked(book, 1)] { throw oops("x"); });
    try {
      throwing.join();
    } catch (const oops&) {
      EXPECT_EQ(book.live.load(), 0);
    }
    auto exiting = spawn([mine = tracked(book, 1)] { ringo::goexit(); });
    (void)panic_text([&] { exiting.join(); });
    EXPECT_EQ(book.live.load(), 0);
  });
}

TEST_CASE("task: a large callable works like a small one") {
  run_on_each([] {
    std::array<int, 1000> numbers{};
    numbers[999] = 5;
    EXPECT_EQ(spawn([numbers] { return numbers[999]; }).join(), 5);
    EXPECT_EQ(spawn([](std::array<int, 1000> mine) { return mine[999]; }, numbers).join(), 5);
  });
}

TEST_CASE("task: join rethrows what the fiber threw, whole") {
  run_on_each([] {
    int code = 0;
    std::string text;
    auto failing = spawn([]() -> int {
      ringo::yield();
      throw oops("deep down");
    });
    try {
      failing.join();
    } catch (const oops& error) {
      code = error.code;
      text = error.what();
    }
    EXPECT_EQ(code, 42);
    EXPECT_EQ(text, std::string("deep down"));
    EXPECT_EQ(panic_text([&] { failing.join(); }), joined_twice);

    int number = 0;
    try {
      spawn([] { throw 17; }).join();
    } catch (int thrown) {
      number = thrown;
    }
    EXPECT_EQ(number, 17);
    EXPECT_EQ(panic_text([] { spawn([] { throw ringo::panic_error("mine"); }).join(); }),
              std::string("mine"));
  });
}

TEST_CASE("task: exceptions of many fibers stay apart") {
  run_on_each([] {
    std::vector<task<void>> tasks;
    for (int i = 0; i < 200; ++i) {
      tasks.push_back(spawn([i] {
        try {
          ringo::yield();
          throw oops(std::to_string(i));
        } catch (const oops&) {
          ringo::yield();  // other fibers throw meanwhile, on the same thread
          throw;
        }
      }));
    }
    for (int i = 0; i < 200; ++i) {
      std::string text;
      try {
        tasks[static_cast<std::size_t>(i)].join();
      } catch (const oops& error) {
        text = error.what();
      }
      EXPECT_EQ(text, std::to_string(i));
    }
  });
}

TEST_CASE("task: joining twice, or nothing, panics") {
  run_on_each([] {
    auto once = spawn([] { return 1; });
    EXPECT(once.joinable());
    EXPECT_EQ(once.join(), 1);
    EXPECT(!once.joinable());
    EXPECT_EQ(panic_text([&] { once.join(); }), joined_twice);
    task<void> empty;
    EXPECT(!empty.joinable());
    EXPECT_EQ(panic_text([&] { empty.join(); }), joined_twice);
    empty.detach();
    auto detached = spawn([] {});
    detached.detach();
    EXPECT(!detached.joinable());
    EXPECT_EQ(panic_text([&] { detached.join(); }), joined_twice);
  });
}

TEST_CASE("task: a move takes the fiber along, an assignment detaches the one before") {
  run_on_each([] {
    auto first = spawn([] { return 1; });
    auto second = std::move(first);
    EXPECT(!first.joinable());  // NOLINT(bugprone-use-after-move): what it tells then
    EXPECT(second.joinable());
    std::atomic<bool> ran{false};
    auto go_on = ringo::make_chan<void>();
    auto third = spawn([&] {
      go_on.recv();
      ran = true;
      return 3;
    });
    third = std::move(second);
    EXPECT_EQ(third.join(), 1);
    go_on.send();
    eventually([&] { return ran.load(); }, "the detached fiber");
    auto self = spawn([] { return 4; });
    auto& same = self;
    self = std::move(same);
    EXPECT_EQ(self.join(), 4);
  });
}

TEST_CASE("task: detach and drop let the fiber go on alone") {
  run_on_each([] {
    ringo::wait_group finished;
    for (int i = 0; i < race_rounds / 10; ++i) {
      finished.add(2);
      spawn([&] { finished.done(); }).detach();
      {
        const auto dropped = spawn([&] { finished.done(); });
      }
      if (i % 4 == 0) ringo::yield();
    }
    finished.wait();
  });
}

TEST_CASE("task: join of a fiber that called goexit panics") {
  run_on_each([] {
    bool destroyed = false;
    struct witness {
      bool& flag;
      ~witness() { flag = true; }
    };
    auto exiting = spawn([&]() -> int {
      const witness last{destroyed};
      ringo::yield();
      ringo::goexit();
    });
    EXPECT_EQ(panic_text([&] { exiting.join(); }),
              std::string("join of a fiber that called goexit"));
    EXPECT(destroyed);
    EXPECT_EQ(panic_text([&] { exiting.join(); }), joined_twice);
    spawn([] { ringo::goexit(); }).detach();
  });
}

TEST_CASE("task: a panic of join can be caught in another fiber than the spawner's") {
  run_on_each([] {
    auto failing = spawn([] { throw oops("x"); });
    std::string text;
    spawn([&text, mine = std::move(failing)]() mutable {
      try {
        mine.join();
      } catch (const oops& error) {
        text = error.what();
      }
    }).join();
    EXPECT_EQ(text, std::string("x"));
  });
}

TEST_CASE("task: plain threads spawn and join") {
  run_on_each([] {
    thread_group threads;
    std::atomic<int> sum{0};
    for (int i = 0; i < 4; ++i) {
      threads.start([&, i] {
        for (int round = 0; round < race_rounds / 50; ++round) {
          sum += spawn([i] { return i; }).join();
          auto failing = spawn([] { throw oops("x"); });
          try {
            failing.join();
          } catch (const oops&) {
            ++sum;
          }
        }
      });
    }
    threads.join();
    EXPECT_EQ(sum.load(), (6 + 4) * (race_rounds / 50));
  });
}

TEST_CASE("task: a tree of joins gives the right number") {
  run_on_each([] {
    const int expected[] = {144, 377, 2584};  // of 12, 14, 18
    EXPECT_EQ(fibonacci(depth), expected[depth == 12 ? 0 : depth == 14 ? 1 : 2]);
  });
}

TEST_CASE("task: many at a time, joined in any order") {
  run_freely_on_each([] {
    std::vector<task<int>> tasks;
    for (int i = 0; i < many_fibers; ++i) tasks.push_back(spawn([i] { return i; }));
    long sum = 0;
    for (std::size_t i = tasks.size(); i > 0; --i) sum += tasks[i - 1].join();
    EXPECT_EQ(sum, static_cast<long>(many_fibers) * (many_fibers - 1) / 2);
  });
}

TEST_CASE("task: spawn takes options, and refuses a null function") {
  run_on_each([] {
    EXPECT_EQ(
        spawn({.name = "worker bee"}, [] { return std::string(ringo::this_fiber::name()); }).join(),
        std::string("worker bee"));
    EXPECT_EQ(spawn(
                  {.stack_size = 1 << 20}, [](int n) { return n; }, 5)
                  .join(),
              5);
    int (*const nothing)() = nullptr;
    EXPECT_EQ(panic_text([&] { (void)spawn(nothing); }), std::string("go of nil func value"));
    EXPECT_EQ(panic_text([&] { (void)spawn(std::function<int()>()); }),
              std::string("go of nil func value"));
  });
}

TEST_CASE("task: one that has finished may be joined after the run") {
  for_each_worker_count([](std::size_t workers) {
    task<std::string> value;
    task<void> failure;
    run_on(workers, [&] {
      value = spawn([] { return std::string("kept"); });
      failure = spawn([] { throw oops("kept too"); });
      eventually([] { return ringo::num_fibers() == 1; });
    });
    CHECK(value.join() == "kept");
    CHECK_THROWS_AS(failure.join(), oops);
  });
}

TEST_CASE("task: joiners and joined may both be left over at the end of run") {
  for_each_worker_count([](std::size_t workers) {
    run_on(
        workers,
        [] {
          for (int i = 0; i < 5; ++i) {
            go_until_parked(parked_in_join,
                            [] { spawn([] { (void)ringo::make_chan<int>().recv(); }).join(); });
          }
        },
        leftovers::allowed);
    run_on(workers, [] { EXPECT_EQ(spawn([] { return 1; }).join(), 1); });
  });
}
