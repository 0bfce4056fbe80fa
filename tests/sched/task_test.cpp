#include <ringo/task.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/run_program.hpp"
#include "support/threads.hpp"

using namespace ringo::test;

namespace {

constexpr auto join_races = sizes::pick<int>(3'000, 1'000, 500);

}  // namespace

TEST_CASE("task: join returns what the fiber returned") {
  run_on_each([] {
    EXPECT_EQ(ringo::spawn([] { return 1; }).join(), 1);
    EXPECT_EQ(ringo::spawn([](int a, int b) { return a * b; }, 6, 7).join(), 42);
    EXPECT_EQ(*ringo::spawn([] { return std::make_unique<int>(3); }).join(), 3);
    ringo::spawn([] {}).join();
    EXPECT_EQ(ringo::spawn({.name = "named"}, [] { return std::string(ringo::this_fiber::name()); })
                  .join(),
              std::string("named"));
    std::vector<ringo::task<int>> tasks;
    for (int i = 0; i < 100; ++i) tasks.push_back(ringo::spawn([i] { return i; }));
    for (int i = 99; i >= 0; --i) EXPECT_EQ(tasks[static_cast<std::size_t>(i)].join(), i);
  });
}

TEST_CASE("task: join rethrows what the fiber threw, of any type") {
  run_on_each([] {
    std::string caught;
    try {
      ringo::spawn([]() -> int { throw std::runtime_error("from the fiber"); }).join();
    } catch (const std::runtime_error& error) {
      caught = error.what();
    }
    EXPECT_EQ(caught, std::string("from the fiber"));
    int number = 0;
    try {
      ringo::spawn([] { throw 5; }).join();
    } catch (const int value) {
      number = value;
    }
    EXPECT_EQ(number, 5);
    EXPECT_EQ(panic_text([] { ringo::spawn([] { ringo::chan<int>{}.close(); }).join(); }),
              std::string("close of nil channel"));
  });
}

TEST_CASE("task: join twice, and join of an empty task, panic") {
  run_on_each([] {
    auto task = ringo::spawn([] { return 1; });
    EXPECT(task.joinable());
    EXPECT_EQ(task.join(), 1);
    EXPECT(!task.joinable());
    EXPECT_EQ(panic_text([&] { task.join(); }), std::string("join called twice"));
    ringo::task<void> empty;
    EXPECT(!empty.joinable());
    EXPECT_EQ(panic_text([&] { empty.join(); }), std::string("join called twice"));
    auto thrower = ringo::spawn([] { throw 1; });
    try {
      thrower.join();
    } catch (const int) {
    }
    EXPECT_EQ(panic_text([&] { thrower.join(); }), std::string("join called twice"));
  });
}

TEST_CASE("task: join of a fiber that called goexit panics") {
  run_on_each([] {
    auto task = ringo::spawn([]() -> int { ringo::goexit(); });
    EXPECT_EQ(panic_text([&] { task.join(); }), std::string("join of a fiber that called goexit"));
    auto nothing = ringo::spawn([] { ringo::goexit(); });
    eventually([] { return ringo::num_fibers() == 1; });
    EXPECT_EQ(panic_text([&] { nothing.join(); }),
              std::string("join of a fiber that called goexit"));
  });
}

TEST_CASE("task: moves, and the one moved from is empty") {
  run_on_each([] {
    auto first = ringo::spawn([] { return 1; });
    auto second = std::move(first);
    EXPECT(!first.joinable());  // NOLINT(bugprone-use-after-move): what is tested
    first = ringo::spawn([] { return 2; });
    first = std::move(second);  // detaches the fiber of 2
    EXPECT_EQ(first.join(), 1);
  });
}

TEST_CASE("task: dropping it detaches the fiber, which goes on") {
  run_on_each([] {
    std::atomic<int> ended{0};
    auto gate = ringo::make_chan<void>();
    for (int i = 0; i < 50; ++i) {
      auto task = ringo::spawn([&ended, gate]() mutable {
        gate.recv();
        ++ended;
        return std::make_unique<int>(1);  // nobody takes it; ASan sees that it is freed
      });
      if (i % 2 == 0) task.detach();
      EXPECT_EQ(task.joinable(), i % 2 != 0);
    }
    gate.close();
    eventually([&] { return ended == 50; });
    // The same after its end.
    for (int i = 0; i < 50; ++i) {
      auto task = ringo::spawn([] { return std::make_unique<int>(1); });
      eventually([] { return ringo::num_fibers() == 1; });
    }
  });
}

// The end of the fiber meets join or detach at every possible moment.
TEST_CASE("task: the fiber's end races with join and detach") {
  run_on_each([] {
    for (int i = 0; i < join_races; ++i) {
      int plain = 0;
      auto task = ringo::spawn([&plain, i] {
        if (i % 3 == 0) ringo::yield();
        plain = i;
        return std::make_unique<int>(i);
      });
      if (i % 2 == 0) ringo::yield();
      EXPECT_EQ(*task.join(), i);
      EXPECT_EQ(plain, i);
      ringo::spawn([i] { return std::string(static_cast<std::size_t>(i % 50), 'x'); }).detach();
    }
  });
}

TEST_CASE("task: plain threads join too") {
  run_on_each([] {
    thread_group threads;
    for (int i = 0; i < 4; ++i) {
      threads.start([i] {
        for (int k = 0; k < 200; ++k) {
          EXPECT_EQ(ringo::spawn([=] { return i * 1'000 + k; }).join(), i * 1'000 + k);
        }
      });
    }
    threads.join();
  });
}

TEST_CASE("task: a fiber's capture is destroyed before join returns") {
  run_on_each([] {
    for (int i = 0; i < 200; ++i) {
      auto shared = std::make_shared<int>(i);
      auto task = ringo::spawn([shared] { ringo::yield(); });
      task.join();
      EXPECT_EQ(shared.use_count(), 1);
      auto thrower = ringo::spawn([shared] { throw 1; });
      try {
        thrower.join();
      } catch (const int) {
      }
      EXPECT_EQ(shared.use_count(), 1);
    }
  });
}

TEST_CASE("task: an exception that nobody can ask for any more ends the process") {
  for (const char* const mode : {"detached", "dropped_after"}) {
    for (const char* const workers : {"1", "2", "8"}) {
      CAPTURE(mode);
      const auto result = run_program({.name = "uncaught",
                                       .arguments = {mode},
                                       .environment = {std::string("RINGO_MAXPROCS=") + workers}});
      CAPTURE(result.output);
      CHECK(result.exited_with(2));
      CHECK(result.printed("panic: nobody asks"));
      CHECK_FALSE(result.printed("unreachable"));
    }
  }
}
