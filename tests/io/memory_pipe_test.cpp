#include <ringo/io/memory_pipe.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <ostream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/io/copy.hpp>
#include <ringo/io/stream.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/scripted_stream.hpp"
#include "support/stream_conformance.hpp"
#include "support/threads.hpp"
#include "support/virtual_time.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::errc;
using ringo::io::const_buffer;
using ringo::io::memory_conn;
using ringo::io::memory_pipe;
using time_point = std::chrono::steady_clock::time_point;

namespace {

const std::error_code none;
const std::error_code closed = errc::closed;
const std::error_code broken = make_error_code(std::errc::broken_pipe);
constexpr const char* parked = "sync.Cond.Wait";

std::string read_some(const memory_conn& from, std::size_t size = 100) {
  std::string into(size, '?');
  into.resize(from.read(into).value_or(0));
  return into;
}

bool is_broken(std::error_code error) {
  return error == std::errc::broken_pipe;
}

}  // namespace

TEST_CASE("NT-33: a memory pipe does all that connections do, in virtual time") {
  conformance::check_connections(memory_pipe, [](auto body) { run_in_bubble_on_each(body); });
}

TEST_CASE("NT-33: a memory pipe does all that connections do, in real time") {
  conformance::check_connections(memory_pipe, [](auto body) { run_freely_on_each(body); });
}

TEST_CASE("NT-33: after close this end is closed, and the other one reads the end") {
  run_on_each([] {
    auto [c1, c2] = memory_pipe();
    EXPECT_EQ(c1.close(), none);
    std::string into(1, '?');
    for (const ringo::io::buffer to : {ringo::io::buffer(), ringo::io::buffer(into)}) {
      EXPECT_EQ(c1.read(to).error(), closed);
      EXPECT_EQ(c2.read(to).error(), std::error_code(errc::eof));
    }
    for (const const_buffer bytes : {const_buffer(), const_buffer("x")}) {
      EXPECT_EQ(c1.write(bytes), closed);
      EXPECT_EQ(c1.write_some(bytes).error(), closed);
      EXPECT(is_broken(c2.write(bytes)));
      EXPECT(is_broken(c2.write_some(bytes).error()));
    }
    for (const memory_conn& end : {c1, c2}) {
      EXPECT_EQ(end.set_deadline(time_point::max()), closed);
      EXPECT_EQ(end.set_read_deadline(time_point::max()), closed);
      EXPECT_EQ(end.set_write_deadline(time_point::max()), closed);
    }
    EXPECT_EQ(c1.close(), closed);
    EXPECT_EQ(c1.close_write(), closed);
    EXPECT_EQ(c2.close(), none);
    EXPECT_EQ(c2.read(into).error(), closed);
    EXPECT_EQ(c2.write("x"), closed);
  });
}

TEST_CASE("NT-33: closing wakes those who are blocked at the other end") {
  run_on_each([] {
    for (const bool with_error : {false, true}) {
      auto [c1, c2] = memory_pipe();
      const std::error_code reset = make_error_code(std::errc::connection_reset);
      auto reader = go_until_parked(parked, [c = c2, reset, with_error] {
        std::string into(1, '?');
        EXPECT_EQ(c.read(into).error(), with_error ? reset : std::error_code(errc::eof));
        EXPECT_EQ(c.read(into).error(), with_error ? reset : std::error_code(errc::eof));
      });
      auto writer = go_until_parked(parked, [c = c2, reset, with_error] {
        const std::error_code first = c.write("x");
        const std::error_code second = c.write("x");
        EXPECT(with_error ? first == reset : is_broken(first));
        EXPECT(first == second);
      });
      EXPECT_EQ(with_error ? c1.close_with_error(reset) : c1.close(), none);
      EXPECT_EQ(reader.wait(), "");
      EXPECT_EQ(writer.wait(), "");
    }
  });
}

TEST_CASE("memory_pipe: the last handle of an end closes it") {
  run_on_each([] {
    auto [c1, c2] = memory_pipe();
    memory_conn copy = c1;
    EXPECT(copy == c1);
    EXPECT(!(c1 == c2));
    c1 = {};
    auto writer = ringo::spawn([copy] { return copy.write("still open"); });
    EXPECT_EQ(read_some(c2), "still open");
    EXPECT_EQ(writer.join(), none);
    auto reader = go_until_parked(parked, [c = c2] {
      std::string into(1, '?');
      EXPECT_EQ(c.read(into).error(), std::error_code(errc::eof));
    });
    copy = {};
    EXPECT_EQ(reader.wait(), "");
    EXPECT(is_broken(c2.write("x")));
  });
}

TEST_CASE("memory_pipe: a default-constructed connection is closed") {
  const memory_conn nobody;
  std::string into(1, '?');
  CHECK(nobody.read(into).error() == closed);
  CHECK(nobody.write("x") == closed);
  CHECK(nobody.write_some("x").error() == closed);
  CHECK(nobody.set_deadline(time_point::max()) == closed);
  CHECK(nobody.close_write() == closed);
  CHECK(nobody.close() == closed);
  CHECK(nobody == memory_conn());
}

TEST_CASE("memory_pipe: close_write ends one direction") {
  run_on_each([] {
    auto [c1, c2] = memory_pipe();
    auto blocked = go_until_parked(parked, [c = c1] { EXPECT(is_broken(c.write("lost"))); });
    EXPECT_EQ(c1.close_write(), none);
    EXPECT_EQ(blocked.wait(), "");
    EXPECT(is_broken(c1.write("x")));
    std::string into(1, '?');
    EXPECT_EQ(c2.read(into).error(), std::error_code(errc::eof));
    auto answer = ringo::spawn([c = c2] { return c.write("answer"); });
    EXPECT_EQ(read_some(c1), "answer");
    EXPECT_EQ(answer.join(), none);
    EXPECT_EQ(c1.set_deadline(time_point::max()), none);
    EXPECT_EQ(c1.close(), none);
    EXPECT_EQ(c1.write("x"), closed);
  });
}

TEST_CASE("memory_pipe: a write ends when all of it was read, write_some with the first read") {
  run_on_each([] {
    auto [c1, c2] = memory_pipe();
    auto writer = go_until_parked(parked, [c = c1] { EXPECT_EQ(c.write("abcde"), none); });
    EXPECT_EQ(read_some(c2, 2), "ab");
    let_others_run();
    EXPECT(!writer.finished());
    EXPECT_EQ(read_some(c2, 3), "cde");
    EXPECT_EQ(writer.wait(), "");

    auto some = go_until_parked(parked, [c = c1] {
      EXPECT_EQ(c.write_some("abcde").value_or(0), std::size_t{2});
      EXPECT_EQ(c.write_some(ringo::background(), "cde").value_or(0), std::size_t{3});
    });
    EXPECT_EQ(read_some(c2, 2), "ab");
    EXPECT_EQ(read_some(c2), "cde");
    EXPECT_EQ(some.wait(), "");
  });
}

TEST_CASE("memory_pipe: empty reads and writes do not wait") {
  run_on_each([] {
    auto [c1, c2] = memory_pipe();
    EXPECT_EQ(c1.read(ringo::io::buffer()).value_or(7), std::size_t{0});
    EXPECT_EQ(c1.write(const_buffer()), none);
    EXPECT_EQ(c1.write_some(const_buffer()).value_or(7), std::size_t{0});
    EXPECT_EQ(c1.write(std::vector<const_buffer>()), none);
    EXPECT_EQ(c1.set_deadline(ringo::now()), none);
    EXPECT_EQ(c1.write(const_buffer()), std::error_code(errc::deadline_exceeded));
  });
}

TEST_CASE("memory_pipe: several writers and readers share a direction, and writes do not mix") {
  run_on_each([] {
    constexpr std::size_t writers = 4;
    constexpr std::size_t rounds = 50;
    auto [c1, c2] = memory_pipe();
    fiber_group group;
    for (std::size_t i = 0; i < writers; ++i) {
      group.go([c = c1, letter = static_cast<char>('a' + i)] {
        const std::string half(10, letter);
        const std::vector<const_buffer> pieces = {half, const_buffer(), half};
        for (std::size_t round = 0; round < rounds; ++round) EXPECT_EQ(c.write(pieces), none);
      });
    }
    std::string bytes(writers * rounds * 20, '?');
    EXPECT_EQ(ringo::io::read_full(c2, bytes).error, none);
    group.join();
    for (std::size_t at = 0; at < bytes.size(); at += 20) {
      EXPECT_EQ(bytes.substr(at, 20), std::string(20, bytes[at]));
    }

    std::atomic<std::size_t> received{0};
    for (std::size_t i = 0; i < 3; ++i) {
      group.go([c = c2, &received] {
        for (std::string some; !(some = read_some(c, 7)).empty();) received += some.size();
      });
    }
    const std::string big(10'000, 'x');
    EXPECT_EQ(c1.write(big), none);
    EXPECT_EQ(c1.close(), none);
    group.join();
    EXPECT_EQ(received.load(), big.size());
  });
}

// The reader that is woken for an offer finds that it must give up, and wakes the next one.
TEST_CASE("memory_pipe: an offer is not lost on a reader that gives up") {
  run_on_each([] {
    for (int round = 0; round < 50; ++round) {
      auto [c1, c2] = memory_pipe();
      const auto [ctx, cancel] = ringo::with_cancel(ringo::background());
      fiber_group group;
      std::atomic<int> got{0};
      group.go([c = c2, ctx = ctx, &got] {
        std::string into(4, '?');
        if (c.read(ctx, into)) ++got;
      });
      auto patient = go_until_parked(parked, [c = c2, &got] {
        std::string into(4, '?');
        if (c.read(into)) ++got;
      });
      group.go([c = c1] { EXPECT_EQ(c.write("abcd"), none); });
      group.go([cancel = cancel] { cancel(); });
      eventually([&] { return got > 0; }, "somebody to read");
      EXPECT_EQ(c1.close(), none);
      EXPECT_EQ(patient.wait(), "");
      group.join();
      EXPECT_EQ(got.load(), 1);
    }
  });
}

TEST_CASE("memory_pipe: a reader that takes a part wakes the next one") {
  run_on_each([] {
    auto [c1, c2] = memory_pipe();
    const auto read_two = [c = c2] { EXPECT_EQ(read_some(c, 2).size(), std::size_t{2}); };
    auto first = go_until_parked(parked, read_two);
    auto second = go_until_parked(parked, read_two);
    EXPECT_EQ(c1.write("abcd"), none);
    EXPECT_EQ(first.wait(), "");
    EXPECT_EQ(second.wait(), "");
  });
}

// The writer is called off, and before it runs again its bytes are read.
TEST_CASE("memory_pipe: what was read was written, though its context is done") {
  run_on_each([] {
    for (int round = 0; round < 20; ++round) {
      auto [c1, c2] = memory_pipe();
      const auto [ctx, cancel] = ringo::with_cancel(ringo::background());
      bool written = false;
      auto writer = go_until_parked(parked, [c = c1, ctx = ctx, &written] {
        written = !c.write(ctx, "abc");
        if (!written) EXPECT_EQ(c.close(), none);
      });
      cancel();
      const bool read = read_some(c2) == "abc";
      EXPECT_EQ(writer.wait(), "");
      EXPECT_EQ(read, written);
    }
  });
}

TEST_CASE("NT-10: an expired deadline wins over bytes that are there") {
  run_in_bubble_on_each([] {
    auto [c1, c2] = memory_pipe();
    auto writer = ringo::spawn([c = c1] { return c.write("abc"); });
    ringo::testing::wait();
    EXPECT_EQ(c2.set_read_deadline(ringo::now() - 5s), none);
    std::string into(3, '?');
    EXPECT_EQ(c2.read(into).error(), std::error_code(errc::deadline_exceeded));
    EXPECT_EQ(c2.set_read_deadline(time_point::max()), none);
    EXPECT_EQ(read_some(c2), "abc");
    EXPECT_EQ(writer.join(), none);
  });
}

TEST_CASE("NT-14: a deadline that was moved away does no harm, and a new one is kept exactly") {
  run_in_bubble_on_each([] {
    auto [c1, c2] = memory_pipe();
    const stopwatch watch;
    EXPECT_EQ(c2.set_read_deadline(ringo::now() + 10s), none);
    auto reader = ringo::spawn([c = c2, watch] {
      std::string into(3, '?');
      EXPECT_EQ(c.read(into).error(), std::error_code(errc::deadline_exceeded));
      return watch.passed();
    });
    ringo::sleep_for(5s);
    EXPECT_EQ(c2.set_read_deadline(ringo::now() + 20s), none);
    EXPECT_EQ(reader.join(), std::chrono::nanoseconds(25s));
    EXPECT_EQ(c2.set_deadline(time_point::max()), none);

    // Clamped to the end of time.
    EXPECT_EQ(c2.set_deadline(time_point::max() - 1ns), none);
    auto late = ringo::spawn([c = c2] { return read_some(c); });
    ringo::sleep_for(std::chrono::hours(1000));
    EXPECT_EQ(c1.write("abc"), none);
    EXPECT_EQ(late.join(), "abc");
  });
}

TEST_CASE("memory_pipe: a write that gives up takes back what was not read") {
  run_in_bubble_on_each([] {
    auto [c1, c2] = memory_pipe();
    EXPECT_EQ(c1.set_write_deadline(ringo::now() + 1s), none);
    auto writer = ringo::spawn([c = c1] { return c.write("abcdef"); });
    EXPECT_EQ(read_some(c2, 2), "ab");
    EXPECT_EQ(writer.join(), std::error_code(errc::deadline_exceeded));
    EXPECT_EQ(c1.set_write_deadline(time_point::max()), none);
    auto second = ringo::spawn([c = c1] { return c.write("xyz"); });
    EXPECT_EQ(read_some(c2), "xyz");
    EXPECT_EQ(second.join(), none);
  });
}

TEST_CASE("memory_pipe: a context's deadline and the connection's: the earlier one ends the wait") {
  run_in_bubble_on_each([] {
    for (const auto of_context : {1s, 3s}) {
      auto [c1, c2] = memory_pipe();
      const stopwatch watch;
      const auto [ctx, cancel] = ringo::with_cancel_cause(ringo::background());
      auto stop = ringo::spawn([cancel = cancel, of_context] {
        ringo::sleep_for(of_context);
        cancel();
      });
      EXPECT_EQ(c1.set_deadline(ringo::now() + 2s), none);
      std::string into(1, '?');
      const bool context_first = of_context < 2s;
      EXPECT_EQ(c1.read(ctx, into).error(),
                std::error_code(context_first ? errc::canceled : errc::deadline_exceeded));
      EXPECT_EQ(watch.passed(),
                std::chrono::nanoseconds(std::min<std::chrono::nanoseconds>(of_context, 2s)));
      stop.join();
    }
  });
}

TEST_CASE("memory_pipe: works between a fiber and a plain thread") {
  run_freely_on_each([] {
    auto [c1, c2] = memory_pipe();
    thread_group threads;
    threads.start([c = c1] {
      for (int i = 0; i < 100; ++i) EXPECT_EQ(c.write("ping"), none);
      EXPECT_EQ(c.close(), none);
    });
    EXPECT_EQ(ringo::io::copy(ringo::io::discard, c2), ringo::io::transfer{400, {}});
    threads.join();
  });
}

TEST_CASE("memory_pipe: one of a bubble panics when it is used from outside") {
  run_on(2, [] {
    memory_conn kept;
    ringo::testing::bubble([&] { kept = memory_pipe().first; });
    const char* const text = "memory_pipe of a bubble used from outside";
    EXPECT_EQ(panic_text([&] { (void)kept.write("x"); }), text);
    EXPECT_EQ(panic_text([&] { (void)kept.close(); }), text);
  });
}

TEST_CASE("memory_pipe: a nil context panics") {
  const auto pipe = memory_pipe();
  std::string into(1, '?');
  CHECK(panic_text([&] { (void)pipe.first.read(ringo::context(), into); }) == "nil context");
  CHECK(panic_text([&] { (void)pipe.first.write(ringo::context(), "x"); }) == "nil context");
}

TEST_CASE("memory_pipe: a client with a timeout is tested in no time") {
  run_in_bubble_on_each([] {
    //! [bubble]
    auto [client, server] = ringo::io::memory_pipe();
    auto answer = ringo::spawn([conn = client]() -> ringo::result<std::string> {
      if (const auto error = conn.write("hello?")) return error;
      conn.set_read_deadline(ringo::now() + 30s);
      return ringo::io::read_all(conn);
    });
    std::string question(6, '\0');
    EXPECT(!ringo::io::read_full(server, question).error);
    EXPECT_EQ(answer.join().error(), std::error_code(errc::deadline_exceeded));  // at once
    //! [bubble]
  });
}
