#include <doctest/doctest.h>

#include <atomic>
#include <csignal>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/sync/wait_group.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/run_program.hpp"

using namespace ringo::test;

namespace {

struct note {
  std::vector<int>& order;
  int value;
  ~note() { order.push_back(value); }
};

// NOLINTNEXTLINE(misc-no-recursion): depth is the point
[[gnu::noinline]] void nest(int depth, std::vector<int>& order) {
  const note guard{order, depth};
  if (depth >= 5) ringo::goexit();
  if (depth > 0) nest(depth + 1, order);  // always; the compiler must not know
  order.push_back(-1);
}

program_result run(const char* mode, const char* workers) {
  return run_program({.name = "goexit",
                      .arguments = {mode},
                      .environment = {std::string("RINGO_MAXPROCS=") + workers}});
}

}  // namespace

TEST_CASE(
    "GR-10: goexit runs the destructors of all frames, innermost first, and ends only its fiber") {
  run_on_each([] {
    std::vector<int> order;
    ringo::wait_group group;
    group.go([&] { nest(1, order); });
    group.wait();
    EXPECT(order == std::vector<int>{5, 4, 3, 2, 1});
    EXPECT_EQ(ringo::spawn([] { return 1; }).join(), 1);
  });
}

TEST_CASE("GR-10: goexit is no std::exception, and handlers that rethrow let it pass") {
  run_on_each([] {
    std::atomic<int> wrong{0};
    std::atomic<int> passed{0};
    ringo::wait_group group;
    group.go([&] {
      try {
        try {
          ringo::goexit();
        } catch (const std::exception&) {
          ++wrong;
        }
      } catch (...) {
        ++passed;
        throw;
      }
      ++wrong;
    });
    group.wait();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(passed, 1);
  });
}

TEST_CASE("goexit: destructors that it runs may park, spawn and throw inside") {
  run_on_each([] {
    struct busy {
      ringo::chan<int> ch;
      ~busy() {
        ch.send(1);
        ringo::yield();
        ringo::spawn([c = ch]() mutable { c.send(2); }).join();
        try {
          throw std::runtime_error("inner");
        } catch (const std::runtime_error&) {
          ch.send(std::uncaught_exceptions());
        }
      }
    };
    auto ch = ringo::make_chan<int>();
    ringo::go([ch]() mutable {
      const busy last{ch};
      ringo::goexit();
    });
    EXPECT(ch.recv() == 1);
    EXPECT(ch.recv() == 2);
    EXPECT(ch.recv() == 1);
  });
}

TEST_CASE("goexit: locks are released by their guards") {
  run_on_each([] {
    ringo::mutex lock;
    for (int i = 0; i < 100; ++i) {
      ringo::go([&lock] {
        const std::lock_guard<ringo::mutex> guard(lock);
        ringo::yield();
        ringo::goexit();
      });
    }
    eventually([] { return ringo::num_fibers() == 1; });
    EXPECT(lock.try_lock());
    lock.unlock();
  });
}

TEST_CASE("goexit: a block that is used again knows nothing of it") {
  run_on_each([] {
    for (int i = 0; i < 300; ++i) {
      ringo::go([] { ringo::goexit(); });
      EXPECT_EQ(ringo::spawn([i] { return i; }).join(), i);
      int caught = 0;
      try {
        ringo::spawn([] { throw 3; }).join();
      } catch (const int value) {
        caught = value;
      }
      EXPECT_EQ(caught, 3);
    }
  });
}

TEST_CASE("goexit: on a plain thread it panics") {
  CHECK(panic_text([] { ringo::goexit(); }) == "goexit on a thread that is no fiber");
  run_on(2, [] {
    std::atomic<bool> over{false};
    std::thread([&] {
      EXPECT_EQ(panic_text([] { ringo::goexit(); }),
                std::string("goexit on a thread that is no fiber"));
      over = true;
    }).join();
    EXPECT(over.load());
  });
}

TEST_CASE("goexit: a catch (...) that swallows it is fatal") {
  for (const char* const workers : {"1", "2", "8"}) {
    for (const char* const mode : {"swallowed", "replaced"}) {
      CAPTURE(mode);
      const auto result = run(mode, workers);
      CAPTURE(result.output);
      CHECK(result.exited_with(2));
      CHECK(result.printed("fatal error: goexit was swallowed"));
      CHECK_FALSE(result.printed("unreachable"));
    }
  }
}

// After Go's TestGoexitInPanic. A handler stands for Go's deferred call.
TEST_CASE("GR-12: goexit in a handler ends the exception, and the fiber") {
  run_on_each([] {
    for (int i = 0; i < 20; ++i) {
      std::vector<int> order;
      bool went_on = false;
      ringo::wait_group group;
      group.go([&] {
        const note last{order, 2};
        try {
          const note first{order, 1};
          throw std::runtime_error("ends here");
        } catch (const std::runtime_error&) {
          ringo::goexit();
        }
        went_on = true;
      });
      group.wait();
      EXPECT(order == std::vector<int>{1, 2});
      EXPECT(!went_on);
      // Nothing of the exception is left for the next fiber of that thread.
      ringo::spawn([] { EXPECT(std::current_exception() == nullptr); }).join();
    }
  });
}

// After Go's TestRecoveredPanicAfterGoexit and TestRecoverBeforePanicAfterGoexit.
TEST_CASE("GR-12: an exception that is caught while goexit unwinds does not stop it") {
  run_on_each([] {
    std::atomic<int> caught{0};
    std::atomic<int> went_on{0};
    ringo::wait_group group;
    group.go([&] {
      struct throws_inside {
        std::atomic<int>& caught;
        ~throws_inside() {
          try {
            ringo::yield();
            throw std::runtime_error("inner");
          } catch (...) {
            ++caught;
          }
        }
      };
      const throws_inside outer{caught};
      [&] {
        const throws_inside inner{caught};
        ringo::goexit();
      }();
      ++went_on;
    });
    group.wait();
    EXPECT_EQ(caught, 2);
    EXPECT_EQ(went_on, 0);
  });
}

// Where Go nests them, C++ ends the process: an exception, and goexit is one, may not leave a
// destructor. (An exception out of a handler instead of goexit's is "replaced", above.)
TEST_CASE("GR-12: goexit out of a destructor is the end of the process") {
  for (const char* const mode : {"nothing_in_flight", "exception_in_flight", "goexit_in_flight"}) {
    CAPTURE(mode);
    const auto result = run(mode, "2");
    CAPTURE(result.output);
    CHECK(result.killed_by(SIGABRT));
    CHECK_FALSE(result.printed("unreachable"));
  }
}

// After Go's TestGoexitDeadlock and TestGoexitCrash.
TEST_CASE("GR-11: goexit in main lets the others go on; when the last has ended that is fatal") {
  for (const char* const workers : {"1", "2", "8"}) {
    CAPTURE(workers);
    const auto result = run("main", workers);
    CAPTURE(result.output);
    CHECK(result.exited_with(2));
    CHECK(result.printed("main's destructor\n"));
    CHECK(result.printed("helper went on\n"));
    CHECK(result.printed("fatal error: no fibers (main called goexit) - deadlock!"));
    CHECK_FALSE(result.printed("unreachable"));
    CHECK(result.output.find("helper went on") < result.output.find("fatal error"));
  }
}

TEST_CASE("GR-11: goexit in main, with the others blocked for ever, is a deadlock") {
  for (const char* const workers : {"1", "2", "8"}) {
    const auto result = run("main_blocked", workers);
    CAPTURE(result.output);
    CHECK(result.exited_with(2));
    CHECK(result.printed("fatal error: all fibers are asleep - deadlock!"));
    CHECK(result.printed("chan receive"));
  }
}

TEST_CASE("GR-11: an exception of another fiber still ends the process after goexit in main") {
  for (const char* const workers : {"1", "2", "8"}) {
    const auto result = run("main_crash", workers);
    CAPTURE(result.output);
    CHECK(result.exited_with(2));
    CHECK(result.printed("panic: from helper"));
    CHECK_FALSE(result.printed("deadlock"));
  }
}
