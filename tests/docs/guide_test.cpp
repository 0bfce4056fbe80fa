// The code of docs/guide and of the decisions, so that it compiles and does what the page says. A
// region from `// [name]` to `// [name]` stands in a page word by word; tests/docs/check.py
// compares them. With `//!` a comment in a header shows it too (`@snippet`).

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <ringo/ringo.hpp>

#include "support/run_on.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;

namespace {

int answer(int question) {
  return question + 1;
}

}  // namespace

TEST_CASE("guide: go and join") {
  run_on_each([] {
    std::atomic<int> notes = 0;
    //! [spawn]
    ringo::go([&notes] { ++notes; });                    // fire and forget
    auto task = ringo::spawn(answer, 41);                // arguments are copied into the fiber
    const int value = task.join();                       // rethrows what the fiber threw
    ringo::go({.name = "note"}, [&notes] { ++notes; });  // a name for reports
    //! [spawn]
    EXPECT(value == 42);
    eventually([&] { return notes == 2; });
  });
}

TEST_CASE("guide: a channel ends its loop") {
  run_on_each([] {
    //! [channel]
    auto squares = ringo::make_chan<int>(4);  // room for four; without a number: none
    ringo::go([squares] {                     // a copy of the handle, not a reference
      for (int i = 1; i <= 3; ++i) squares.send(i * i);
      squares.close();
    });
    int sum = 0;
    for (int square : squares) sum += square;  // until closed and drained
    //! [channel]
    EXPECT(sum == 14);
  });
}

TEST_CASE("guide: recv tells the end") {
  run_on_each([] {
    auto words = ringo::make_chan<std::string>(1);
    words.send("last");
    words.close();
    // [recv]
    std::optional<std::string> word = words.recv();  // empty: closed and drained
    // [recv]
    EXPECT(word == "last");
    EXPECT(!words.recv());
  });
}

TEST_CASE("guide: select") {
  run_on_each([] {
    auto numbers = ringo::make_chan<int>();
    auto stop = ringo::make_chan<void>();
    ringo::go([numbers] { numbers.send(7); });
    int seen = 0;
    bool stopped = false;
    bool timed_out = false;
    //! [select]
    std::optional<int> number;
    switch (ringo::select(
        ringo::recv(numbers, number), ringo::recv(stop), ringo::recv(ringo::after(30s)))) {
      case 0: seen = *number; break;
      case 1: stopped = true; break;
      default: timed_out = true;
    }
    //! [select]
    EXPECT(seen == 7);
    EXPECT(!stopped);
    EXPECT(!timed_out);
  });
}

TEST_CASE("guide: otherwise does not wait") {
  run_on_each([] {
    auto numbers = ringo::make_chan<int>();
    //! [otherwise]
    const bool idle = ringo::select(ringo::recv(numbers), ringo::otherwise) == 1;
    //! [otherwise]
    EXPECT(idle);
  });
}

TEST_CASE("guide: a wait group and a mutex") {
  run_on_each([] {
    //! [group]
    ringo::mutex lock;
    std::vector<int> results;
    ringo::wait_group group;
    for (int i = 0; i < 8; ++i) {
      group.go([&, i] {
        const std::lock_guard guard(lock);
        results.push_back(i);
      });
    }
    group.wait();  // keeps lock, results and group alive until every fiber is done
    //! [group]
    EXPECT(results.size() == 8);
  });
}

TEST_CASE("guide: a task group") {
  ringo::run([] {
    const auto fetch = [](const ringo::context& ctx, int i) -> std::error_code {
      if (i == 3) return ringo::errc::eof;
      return ringo::sleep_for(ctx, 1h);  // tidy: real time: it is given up at once
    };
    //! [task_group]
    ringo::task_group group;  // or group(parent), a context
    group.set_limit(4);
    for (int i = 0; i < 4; ++i) {
      group.go([&, i] { return fetch(group.ctx(), i); });  // a std::error_code
    }
    const std::error_code first = group.wait();
    //! [task_group]
    CHECK(first == ringo::errc::eof);
  });
}

TEST_CASE("guide: a lock that is waited for no longer than it is wanted") {
  ringo::run([] {
    //! [lock_with_context]
    ringo::semaphore connections(2);
    const auto [ctx, cancel] = ringo::with_timeout(ringo::background(), 50ms);
    if (const auto given_up = connections.acquire(ctx)) return;  // errc::deadline_exceeded
    //! [lock_with_context]
    connections.release();
  });
}

TEST_CASE("guide: singleflight") {
  ringo::run([] {
    const auto read_from_disk = [](const std::string& name) -> ringo::result<int> {
      return static_cast<int>(name.size());
    };
    const std::string name = "abc";
    //! [singleflight]
    ringo::singleflight<std::string, int> reads;
    const auto [size, shared] = reads.call(name, [&] { return read_from_disk(name); });
    //! [singleflight]
    CHECK(*size == 3);
    CHECK_FALSE(shared);
  });
}

TEST_CASE("guide: a panic is an exception") {
  run_on_each([] {
    auto numbers = ringo::make_chan<int>();
    numbers.close();
    std::string text;
    // [panic]
    try {
      numbers.send(1);
    } catch (const ringo::panic_error& panic) {
      text = panic.what();
    }
    // [panic]
    EXPECT(text == "send on closed channel");
  });
}

TEST_CASE("guide: join brings the exception") {
  run_on_each([] {
    bool caught = false;
    // [rethrow]
    auto task = ringo::spawn([]() -> int { throw std::runtime_error("no luck"); });
    try {
      task.join();
    } catch (const std::runtime_error&) {
      caught = true;
    }
    // [rethrow]
    EXPECT(caught);
  });
}

TEST_CASE("limits: what a detached fiber uses, it owns") {
  run_on_each([] {
    auto done = ringo::make_chan<void>();
    auto state = std::make_shared<int>(1);
    // [lifetime]
    ringo::go([done, state] {  // not [&]: the frame that spawns may be gone when this runs
      ++*state;
      done.close();
    });
    // [lifetime]
    done.recv();
    EXPECT(*state == 2);
  });
}

TEST_CASE("limits: goexit passes through a catch-all") {
  run_on_each([] {
    bool released = false;
    //! [goexit]
    ringo::wait_group group;
    group.go([&released] {
      const ringo::defer note{[&released] { released = true; }};
      try {
        ringo::goexit();
      } catch (...) {
        throw;  // swallowing it is fatal
      }
    });
    group.wait();
    //! [goexit]
    EXPECT(released);
  });
}

TEST_CASE("limits: a value per fiber instead of thread_local") {
  //! [fiber_local]
  static ringo::fiber_local<int> depth;
  //! [fiber_local]
  run_on_each([] {
    *depth = 1;
    auto other = ringo::spawn([] { return *depth; });
    EXPECT(other.join() == 0);
    ringo::yield();
    EXPECT(*depth == 1);
  });
}

TEST_CASE("limits: a stack of another size") {
  run_on_each([] {
    const auto recurse = [](auto& self, int n) -> int {
      volatile char frame[4096] = {};
      return n == 0 ? frame[0] : self(self, n - 1) + frame[0];
    };
    //! [stack_size]
    auto task = ringo::spawn({.name = "parse", .stack_size = 4 << 20},
                             [&] { return recurse(recurse, 100); });
    //! [stack_size]
    EXPECT(task.join() == 0);
  });
}

TEST_CASE("limits: a call that blocks its thread") {
  run_on_each([] {
    // [blocking]
    const std::string text = ringo::blocking([] { return std::string("from a foreign library"); });
    // [blocking]
    EXPECT(!text.empty());
  });
}
