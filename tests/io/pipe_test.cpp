// Pipes: files that can be waited for.

#include <ringo/io/pipe.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include <ringo/context.hpp>
#include <ringo/io/file.hpp>
#include <ringo/ringo.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/sizes.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::io::const_buffer;
using ringo::io::file;
using ringo::io::pipe_ends;

namespace {

using clock = std::chrono::steady_clock;

pipe_ends make_pipe() {
  auto made = ringo::io::pipe();
  EXPECT(made.has_value());
  return *std::move(made);
}

bool is(const ringo::result<std::size_t>& got, std::size_t want) {
  return got && *got == want;
}

int number_of(const file& f) {
  int number = -1;
  EXPECT(!f.with_fd([&](int fd) { number = fd; }));
  return number;
}

std::string read_all(const file& from) {
  std::string all;
  std::string part(5000, ' ');
  for (;;) {
    const auto got = from.read(part);
    if (!got) {
      EXPECT(got.error() == ringo::errc::eof);
      return all;
    }
    all.append(part, 0, *got);
  }
}

}  // namespace

TEST_CASE("pipe: what is written comes out, then the end") {
  run_on_each([] {
    auto [reader, writer] = make_pipe();
    auto waiting = go_until_parked("io read", [&reader = reader] {
      std::string text(16, ' ');
      EXPECT(is(reader.read(text), 5));
      EXPECT(text.substr(0, 5) == "hello");
    });
    EXPECT(!writer.write("hello"));
    waiting.wait();
    EXPECT(is(writer.write_some("last"), 4));
    EXPECT(!writer.close());
    std::string text(16, ' ');
    EXPECT(is(reader.read(text), 4));
    EXPECT(reader.read(text).error() == ringo::errc::eof);
    EXPECT(reader.read(text).error() == ringo::errc::eof);
  });
}

TEST_CASE("NT-3: a write to a pipe waits for room, and writes all, in one piece") {
  run_on_each([] {
    auto [reader, writer] = make_pipe();
    const std::string first(300'000, 'a');
    const std::string second(300'000, 'b');
    auto a = go_until_parked("io write", [&, w = writer] { EXPECT(!w.write(first)); });
    auto b = ringo::spawn([&, w = writer] {
      const const_buffer pieces[] = {const_buffer(second.data(), 1),
                                     const_buffer(),
                                     const_buffer(second.data() + 1, second.size() - 1)};
      EXPECT(!w.write(pieces));
    });
    std::string all;
    std::string part(5000, ' ');
    while (all.size() < first.size() + second.size()) {
      const auto got = reader.read(part);
      EXPECT(got.has_value());
      if (!got) break;
      all.append(part, 0, *got);
    }
    EXPECT(all == first + second);
    a.wait();
    b.join();
  });
}

TEST_CASE("NT-6: closing a pipe wakes its readers and writers, and those who wait for a turn") {
  run_on_each([] {
    auto [reader, writer] = make_pipe();
    const std::string much(1'000'000, 'x');
    fiber_group blocked;
    auto idle = make_pipe();
    for (int i = 0; i < 3; ++i) {
      blocked.go([r = idle.reader] {
        std::string text(16, ' ');
        EXPECT(r.read(text).error() == ringo::errc::closed);
      });
      blocked.go([&, w = writer] { EXPECT(w.write(much) == ringo::errc::closed); });
    }
    wait_until_parked(6);
    EXPECT(!idle.reader.close());
    EXPECT(!writer.close());
    blocked.join();
  });
}

TEST_CASE("NT-36: the number is closed when close returns; a second close is an error") {
  run_on_each([] {
    for (int round = 0; round < 50; ++round) {
      auto ends = make_pipe();
      const int number = number_of(ends.reader);
      auto reading = ringo::spawn([&] {
        std::string text(16, ' ');
        EXPECT(ends.reader.read(text).error() == ringo::errc::closed);
      });
      if (round % 2 == 0) ringo::yield();
      EXPECT(!ends.reader.close());
      EXPECT(::fcntl(number, F_GETFD) < 0);
      reading.join();
      EXPECT(ends.reader.close() == ringo::errc::closed);
      std::string text(16, ' ');
      EXPECT(ends.reader.read(text).error() == ringo::errc::closed);
      EXPECT(ends.reader.set_deadline({}) == ringo::errc::closed);
      EXPECT(ends.reader.with_fd([](int) { EXPECT(false); }) == ringo::errc::closed);
      EXPECT(ends.reader.release().error() == ringo::errc::closed);
    }
  });
}

TEST_CASE("pipe: the last handle that goes closes its end") {
  run_on_each([] {
    auto [reader, writer] = make_pipe();
    const int number = number_of(writer);
    {
      const file copy = writer;
      EXPECT(copy == writer);
      writer = file();
      EXPECT(::fcntl(number, F_GETFD) >= 0);
      EXPECT(!copy.write("x"));
    }
    EXPECT(::fcntl(number, F_GETFD) < 0);
    EXPECT(read_all(reader) == "x");
  });
}

TEST_CASE("NT-19: writing to a pipe that nobody reads is EPIPE, and no signal") {
  run_on_each([] {
    auto [reader, writer] = make_pipe();
    const int number = number_of(writer);
    auto blocked = go_until_parked("io write", [&, w = writer] {
      EXPECT(w.write(std::string(1'000'000, 'x')) == std::errc::broken_pipe);
    });
    EXPECT(!reader.close());
    blocked.wait();
    for (int i = 0; i < 20; ++i) {
      EXPECT(writer.write("x") == std::errc::broken_pipe);
      EXPECT(writer.write_some("x").error() == std::errc::broken_pipe);
    }
    sigset_t pending;
    ::sigpending(&pending);
    EXPECT(::sigismember(&pending, SIGPIPE) == 0);
    // Nothing in the process, and so in its children, ignores the signal.
    struct sigaction action {};
    ::sigaction(SIGPIPE, nullptr, &action);
    EXPECT(action.sa_handler == SIG_DFL);
    EXPECT(::fcntl(number, F_GETFD) >= 0);
  });
}

TEST_CASE("NT-12: deadlines of a pipe end reads and writes, each its own") {
  run_on_each([] {
    auto [reader, writer] = make_pipe();
    std::string text(16, ' ');
    const auto until = clock::now() + 3ms;
    EXPECT(!reader.set_deadline(until));
    EXPECT(reader.read(text).error() == ringo::errc::deadline_exceeded);
    EXPECT(clock::now() >= until);
    EXPECT(!writer.write("data"));
    EXPECT(reader.read(text).error() == ringo::errc::deadline_exceeded);
    EXPECT(!reader.set_read_deadline({}));
    EXPECT(is(reader.read(text), 4));

    auto blocked = go_until_parked("io write", [&, w = writer] {
      EXPECT(w.write(std::string(1'000'000, 'x')) == ringo::errc::deadline_exceeded);
    });
    EXPECT(!writer.set_write_deadline(clock::now() - 1s));
    blocked.wait();
    EXPECT(writer.write("y") == ringo::errc::deadline_exceeded);
    EXPECT(!writer.set_deadline(clock::time_point::max()));
    EXPECT(is(reader.read(text), 16));
  });
}

TEST_CASE("pipe: a context gives up reads and writes, and one that is done wins") {
  run_on_each([] {
    auto [reader, writer] = make_pipe();
    auto [ctx, cancel] = ringo::with_cancel(ringo::background());
    auto reading = go_until_parked("io read", [r = reader, ctx = ctx] {
      std::string text(16, ' ');
      EXPECT(r.read(ctx, text).error() == ringo::errc::canceled);
    });
    const pipe_ends full = make_pipe();
    auto writing = go_until_parked("io write", [&, ctx = ctx] {
      EXPECT(full.writer.write(ctx, std::string(1'000'000, 'x')) == ringo::errc::canceled);
    });
    cancel();
    reading.wait();
    writing.wait();
    std::string text(16, ' ');
    EXPECT(!writer.write(ringo::background(), "data"));
    EXPECT(reader.read(ctx, text).error() == ringo::errc::canceled);
    EXPECT(writer.write(ctx, "x") == ringo::errc::canceled);
    EXPECT(writer.write_some(ctx, "x").error() == ringo::errc::canceled);
    EXPECT(is(reader.read(ringo::background(), text), 4));
    EXPECT(panic_text([&, r = reader] { static_cast<void>(r.read(ringo::context(), text)); }) ==
           "nil context");
  });
}

TEST_CASE("pipe: nil handles and empty buffers") {
  run_on_each([] {
    const file nil;
    std::string text(4, ' ');
    EXPECT(!nil);
    EXPECT(nil.read(text).error() == std::errc::invalid_argument);
    EXPECT(nil.write("x") == std::errc::invalid_argument);
    EXPECT(nil.close() == std::errc::invalid_argument);
    EXPECT(nil.release().error() == std::errc::invalid_argument);
    EXPECT(nil.set_deadline({}) == std::errc::invalid_argument);
    auto [reader, writer] = make_pipe();
    EXPECT(is(reader.read({}), 0));
    EXPECT(is(writer.write_some(""), 0));
    EXPECT(!writer.write(""));
  });
}

TEST_CASE("pipe: plain threads read and write") {
  run_on_each([] {
    auto [reader, writer] = make_pipe();
    std::thread outsider([r = reader] {
      std::string text(16, ' ');
      EXPECT(is(r.read(text), 4));
      EXPECT(r.read(text).error() == ringo::errc::eof);
    });
    EXPECT(!writer.write("data"));
    EXPECT(!writer.close());
    ringo::blocking([&] { outsider.join(); });
  });
}

TEST_CASE("NT-35: readers that wait cost no thread") {
  run_on_each([] {
    constexpr std::size_t readers = 100;
    std::vector<pipe_ends> pipes;
    fiber_group waiting;
    for (std::size_t i = 0; i < readers; ++i) {
      pipes.push_back(make_pipe());
      waiting.go([r = pipes.back().reader] {
        std::string text(16, ' ');
        EXPECT(is(r.read(text), 1));
      });
    }
    wait_until_parked(readers);
    for (auto& ends : pipes) EXPECT(!ends.writer.write("x"));
    waiting.join();
  });
}

TEST_CASE("pipe: a number goes out and comes back") {
  run_on_each([] {
    auto [reader, writer] = make_pipe();
    const auto number = writer.release();
    EXPECT(number.has_value());
    EXPECT(writer.write("x") == ringo::errc::closed);
    EXPECT((::fcntl(*number, F_GETFD) & FD_CLOEXEC) != 0);
    // As it would come from somebody else.
    EXPECT(::fcntl(*number, F_SETFL, O_WRONLY) == 0);
    EXPECT(::fcntl(*number, F_SETFD, 0) == 0);
    auto again = file::from_fd(*number);
    EXPECT(again.has_value());
    EXPECT((::fcntl(*number, F_GETFL) & O_NONBLOCK) != 0);
    EXPECT((::fcntl(*number, F_GETFD) & FD_CLOEXEC) != 0);
    EXPECT(!again->write("back"));
    again = file();
    EXPECT(read_all(reader) == "back");
    EXPECT(file::from_fd(*number).error() == std::errc::bad_file_descriptor);
  });
}

// NT-16: nothing writes to the memory of a read that has given up.
TEST_CASE("NT-16: a read that gives up leaves its buffer alone") {
  run_on_each([] {
    auto [reader, writer] = make_pipe();
    auto writing = ringo::spawn([w = writer] {
      for (std::size_t i = 0; i < sizes::pick<std::size_t>(300, 100, 50); ++i) {
        EXPECT(!w.write("data"));
        ringo::yield();
      }
      EXPECT(!w.close());
    });
    for (;;) {
      auto text = std::make_unique<std::string>(4, ' ');
      auto [ctx, cancel] = ringo::with_timeout(ringo::background(), 20us);
      const auto got = reader.read(ctx, *text);
      cancel();
      if (got) {
        EXPECT(*text == "data");
      } else {
        EXPECT(*text == "    ");
        if (got.error() == ringo::errc::eof) break;
        EXPECT(got.error() == ringo::errc::deadline_exceeded);
      }
    }
    writing.join();
  });
}
