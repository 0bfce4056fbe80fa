// The C++ side of docs/guide/from_go.md, as guide_test.cpp is that of the other pages. The Go side
// is the module in tests/docs/from_go.

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <ringo/ringo.hpp>
#include <ringo/testing.hpp>

#include "support/run_on.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;

namespace {

ringo::chan<int> produce(std::vector<int> values) {
  auto c = ringo::make_chan<int>();
  ringo::go([c, values = std::move(values)] {
    for (int v : values) c.send(v);
    c.close();
  });
  return c;
}

// [panic]
std::string try_send(const ringo::chan<int>& c) {
  try {
    c.send(1);
  } catch (const ringo::panic_error& panic) {
    return std::string("lost: ") + panic.what();
  }
  return {};
}
// [panic]

// [capture]
ringo::recv_chan<std::string> greet(std::string name) {
  auto done = ringo::make_chan<std::string>();
  ringo::go([done, name = std::move(name)] {  // [&] would refer to what greet() leaves behind
    done.send("hello, " + name);
  });
  return done;
}
// [capture]

// [arguments]
void greet_to(const ringo::send_chan<std::string>& done, const std::string& name) {
  done.send("hello, " + name);
}

ringo::recv_chan<std::string> greet_again(const std::string& name) {
  auto done = ringo::make_chan<std::string>();
  ringo::go(greet_to, done, name);  // the fiber gets copies, although greet_to takes references
  return done;
}
// [arguments]

// [context]
ringo::result<int> ask(const ringo::context& ctx, const ringo::recv_chan<int>& answers) {
  return answers.recv(ctx);  // errc::closed, errc::canceled or errc::deadline_exceeded
}
// [context]

// [errors]
ringo::result<int> parse_port(const std::string& text) {
  int port = 0;
  const char* end = text.data() + text.size();
  if (std::from_chars(text.data(), end, port).ptr != end) {
    return std::make_error_code(std::errc::invalid_argument);
  }
  return port;
}
// [errors]

}  // namespace

TEST_CASE("from_go: a panic is caught where it happens") {
  run_on_each([] {
    auto c = ringo::make_chan<int>();
    c.close();
    EXPECT_EQ(try_send(c), std::string("lost: send on closed channel"));
  });
}

TEST_CASE("from_go: a task hands an exception to its joiner") {
  run_on_each([] {
    const auto work = [] { return 42; };
    // [task]
    auto result = ringo::spawn(work);
    const int answer = result.join();  // or throws what work() threw
    // [task]
    EXPECT_EQ(answer, 42);
  });
}

TEST_CASE("from_go: defer belongs to a scope") {
  std::vector<std::string> notes;
  const auto note = [&](const std::string& text) { notes.push_back(text); };
  // [defer]
  for (const std::string name : {"a", "b"}) {
    note("open " + name);
    const ringo::defer close{[&] { note("close " + name); }};  // at the end of this round
  }
  // [defer]
  CHECK(notes == std::vector<std::string>{"open a", "close a", "open b", "close b"});
}

TEST_CASE("from_go: a function's defers are a vector's") {
  std::vector<std::string> notes;
  const auto note = [&](const std::string& text) { notes.push_back(text); };
  {
    // [defer_function]
    std::vector<std::string> opened;
    const ringo::defer close_all{[&] {
      for (auto name = opened.rbegin(); name != opened.rend(); ++name) note("close " + *name);
    }};
    for (const std::string name : {"a", "b"}) {
      note("open " + name);
      opened.push_back(name);
    }
    // [defer_function]
  }
  CHECK(notes == std::vector<std::string>{"open a", "open b", "close b", "close a"});
}

TEST_CASE("from_go: what zero values are") {
  run_on_each([] {
    // [zero]
    ringo::chan<int> c;  // nil: never ready
    ringo::mutex lock;   // ready for use
    int count = 0;       // without the 0: indeterminate
    // [zero]
    EXPECT_EQ(ringo::select(ringo::recv(c), ringo::otherwise), std::size_t{1});
    const std::lock_guard guard(lock);
    EXPECT_EQ(++count, 1);
    std::string text;
    // [nil_context]
    const ringo::context ctx;  // nil
    try {
      auto [child, cancel] = ringo::with_cancel(ctx);
    } catch (const ringo::panic_error& panic) {
      text = panic.what();  // cannot create context from nil parent
    }
    // [nil_context]
    EXPECT_EQ(text, std::string("cannot create context from nil parent"));
  });
}

TEST_CASE("from_go: a nil channel takes its case out of a select") {
  run_on_each([] {
    auto a = produce({1, 2});
    auto b = produce({3});
    int sum = 0;
    // [nil_case]
    while (a || b) {
      std::optional<int> v;
      switch (ringo::select(ringo::recv(a, v), ringo::recv(b, v))) {
        case 0:
          if (!v) a = {};  // this case is never ready again
          break;
        case 1:
          if (!v) b = {};
          break;
      }
      sum += v.value_or(0);
    }
    // [nil_case]
    EXPECT_EQ(sum, 6);
  });
}

TEST_CASE("from_go: select by index and by handler") {
  run_on_each([] {
    auto in = produce({7, 8});
    auto out = ringo::make_chan<int>();
    const ringo::context ctx = ringo::background();
    int sum = 0;
    int sent = 0;
    const auto next = [] { return 1; };
    const auto once = [&]() -> std::error_code {
      // [select]
      std::optional<int> v;
      switch (ringo::select(ringo::recv(in, v),
                            ringo::send(out, next()),  // next() is called in any case
                            ringo::recv(ctx.done()))) {
        case 0: sum += *v; break;
        case 1: ++sent; break;
        case 2: return ctx.err();
      }
      // [select]
      return {};
    };
    EXPECT(!once());
    EXPECT_EQ(sum, 7);
    // [handlers]
    ringo::select(ringo::recv(in, [&](std::optional<int> value) { sum += *value; }),
                  ringo::send(out, next(), [&] { ++sent; }));
    // [handlers]
    EXPECT_EQ(sum, 15);
    EXPECT_EQ(sent, 0);
    EXPECT(!in.recv());
  });
}

TEST_CASE("from_go: select moves only what it sends") {
  run_on_each([] {
    auto full = ringo::make_chan<std::unique_ptr<int>>();
    auto ready = ringo::make_chan<void>(1);
    ready.send();
    // [move]
    auto value = std::make_unique<int>(1);
    if (ringo::select(ringo::recv(ready), ringo::send(full, std::move(value))) == 0) {
      ++*value;  // still here: that case did not run
    }
    // [move]
    EXPECT_EQ(*value, 2);
  });
}

TEST_CASE("from_go: cases known at run time") {
  run_on_each([] {
    const std::vector<ringo::chan<int>> inputs = {ringo::make_chan<int>(), produce({5})};
    // [dynamic]
    std::vector<ringo::select_case> cases;
    cases.reserve(inputs.size());
    std::optional<int> v;
    for (const auto& input : inputs) cases.push_back(ringo::recv(input, v));
    const std::size_t ready = ringo::select(cases);
    // [dynamic]
    EXPECT_EQ(ready, std::size_t{1});
    EXPECT_EQ(v, std::optional<int>(5));
    EXPECT(!inputs[1].recv());
  });
}

TEST_CASE("from_go: range over a channel") {
  run_on_each([] {
    auto words = ringo::make_chan<std::string>(2);
    words.send("a");
    words.send("b");
    words.close();
    std::vector<std::string> seen;
    // [range]
    for (auto&& word : words) {
      seen.push_back(std::move(word));  // it was received: it is ours
    }
    // [range]
    EXPECT(seen == std::vector<std::string>{"a", "b"});
  });
}

TEST_CASE("from_go: one variable for all rounds") {
  run_on_each([] {
    int squares[3] = {};
    ringo::wait_group group;
    // [loop]
    for (int i = 0; i < 3; ++i) {  // one i for all rounds
      group.go([&squares, i] { squares[i] = i * i; });
    }
    group.wait();
    // [loop]
    EXPECT(squares[0] == 0 && squares[1] == 1 && squares[2] == 4);
  });
}

TEST_CASE("from_go: what a fiber uses, it owns") {
  run_on_each([] {
    EXPECT(greet("fiber").recv() == "hello, fiber");
    EXPECT(greet_again("fiber").recv() == "hello, fiber");
  });
}

TEST_CASE("from_go: a context in front") {
  run_on_each([] {
    auto [ctx, cancel] = ringo::with_cancel(ringo::background());
    const auto answers = produce({42});
    EXPECT_EQ(ask(ctx, answers).value_or(0), 42);
    EXPECT(ask(ctx, answers).error() == ringo::errc::closed);
    cancel();
    EXPECT(ask(ctx, ringo::make_chan<int>()).error() == ringo::errc::canceled);
  });
}

TEST_CASE("from_go: errors are values") {
  bool usable = true;
  // [errors_is]
  const auto port = parse_port("80a");
  if (port.error() == std::errc::invalid_argument) usable = false;
  // [errors_is]
  CHECK(!port);
  CHECK(!usable);
  CHECK(parse_port("80").value_or(0) == 80);
  std::string text;
  // [wrap]
  try {
    if (!port) throw std::system_error(port.error(), "port");
  } catch (const std::system_error& error) {
    text = error.what();  // port: Invalid argument
  }
  // [wrap]
  CHECK(text == "port: Invalid argument");
}

TEST_CASE("from_go: the main fiber's end is the end") {
  static std::atomic<bool> ran = false;
  const auto serve = [] { return 3; };
  const auto main = [&] {
    // [main_end]
    return ringo::run([&] {
      ringo::go([] {
        ringo::select();
        ran = true;  // never: nothing of this runs once the main fiber has returned
      });
      return serve();  // what run() returns
    });
    // [main_end]
  };
  CHECK(main() == 3);
  CHECK(!ran);
}

TEST_CASE("from_go: a value has one owner") {
  run_on_each([] {
    auto buffers = ringo::make_chan<std::vector<char>>(1);
    std::vector<char> buffer = {'d', 'a', 't', 'a'};
    const char* bytes = buffer.data();
    // [ownership]
    buffers.send(std::move(buffer));  // from here on the receiver's; without move: a copy
    // [ownership]
    EXPECT(buffers.recv()->data() == bytes);
  });
}

TEST_CASE("from_go: a loop lets others run") {
  run_on_each([] {
    std::atomic<bool> stop = false;
    ringo::go([&stop] { stop = true; });
    // [tight]
    while (!stop) ringo::yield();  // with one worker nobody else would run
    // [tight]
  });
}

TEST_CASE("from_go: nothing to drain from a timer") {
  run_on_each([] {
    // [timer]
    const ringo::timer timer(1h);
    timer.reset(1ns);
    timer.channel().recv();
    // [timer]
    EXPECT(!timer.stop());
  });
}

TEST_CASE("from_go: a guard unlocks") {
  run_on_each([] {
    ringo::mutex lock;
    int count = 0;
    {
      // [unlock]
      const std::lock_guard guard(lock);
      ++count;
      // [unlock]
    }
    EXPECT(lock.try_lock());
    EXPECT_EQ(count, 1);
  });
}

TEST_CASE("from_go: a wait_group waits, whatever happens") {
  run_on_each([] {
    const std::vector<int> parts = {1, 2, 3};
    std::array<int, 3> results{};
    {
      // [group]
      ringo::wait_group group;
      const ringo::defer wait{[&] { group.wait(); }};  // also if an exception leaves this scope
      for (std::size_t i = 0; i < parts.size(); ++i) {
        group.go([&, i] { results[i] = parts[i] * 2; });
      }
      // [group]
    }
    EXPECT(results == std::array<int, 3>{2, 4, 6});
  });
}

TEST_CASE("from_go: an exception counts as the one run") {
  run_on_each([] {
    int opened = 0;
    const auto open = [&] {
      ++opened;
      throw std::runtime_error("no disk");
    };
    const auto attempt = [](const auto& fn) {
      try {
        fn();
      } catch (const std::runtime_error&) {
        return true;
      }
      return false;
    };
    // [once]
    ringo::once once;
    const bool first = attempt([&] { once.call(open); });   // open() throws
    const bool second = attempt([&] { once.call(open); });  // does nothing, unlike std::call_once
    // [once]
    EXPECT(first);
    EXPECT(!second);
    EXPECT_EQ(opened, 1);
  });
}

TEST_CASE("from Go: virtual time") {
  bool clock_is_right = false;
  // [bubble]
  ringo::testing::bubble([&] {
    const auto start = ringo::now();
    ringo::sleep_for(1h);  // takes no time
    clock_is_right = ringo::now() - start == 1h;
  });
  // [bubble]
  CHECK(clock_is_right);
}
