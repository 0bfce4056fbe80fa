// Programs that are run to their end.

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <string>
#include <system_error>

#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/io/pipe.hpp>
#include <ringo/os/run_process.hpp>

#include "support/children.hpp"
#include "support/run_on.hpp"
#include "support/signals.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::os::run_process;

// After Go's TestEcho, TestCatStdin, TestCatGoodAndBadFile.
TEST_CASE("NT-39: a program is fed, its output collected, and its end waited for") {
  run_freely_on_each([] {
    const auto sorted = run_process({.args = {"sort"}}, "b\nc\na\n");
    EXPECT(sorted.has_value());
    EXPECT_EQ(sorted->output, std::string("a\nb\nc\n"));
    EXPECT(sorted->status.success());
    const auto bad = run_process({.args = {"sh", "-c", "echo good; echo bad >&2; exit 3"}});
    EXPECT(bad.has_value());
    EXPECT_EQ(bad->output, std::string("good\n"));
    EXPECT_EQ(bad->error_output, std::string("bad\n"));
    EXPECT_EQ(bad->status.code(), 3);
    EXPECT(run_process({.args = {"no-such-program-here"}}).error() ==
           std::errc::no_such_file_or_directory);
  });
}

TEST_CASE("NT-40: much goes through a program in both directions at once") {
  const std::string much(4 << 20, 'x');
  run_freely_on_each([&] {
    const auto copied = run_process({.args = {"cat"}}, much);
    EXPECT(copied.has_value());
    EXPECT(copied->output == much);
  });
}

// After Go's TestIgnorePipeErrorOnSuccess.
TEST_CASE("NT-40: that a program does not read its input is no error") {
  const action_guard by_default(SIGPIPE, SIG_DFL);
  const std::string much(10 << 20, 'x');
  run_freely_on_each([&] {
    const auto echo = run_process({.args = {"echo", "done"}}, much);
    EXPECT(echo.has_value());
    EXPECT_EQ(echo->output, std::string("done\n"));
    const auto failed = run_process({.args = child_args({"exit", "7"})}, much);
    EXPECT_EQ(failed->status.code(), 7);
  });
}

TEST_CASE("NT-41: the end of the context ends the program, and wait_delay the pipes") {
  run_freely_on_each([] {
    // The grandchild has the pipes, too, and would be waited for until its input ends.
    for (const char* const program : {"stubborn", "grandchild"}) {
      auto stop = ringo::with_cancel(ringo::background());
      const auto input = *ringo::io::pipe();
      const auto output = *ringo::io::pipe();
      ringo::go([&] {
        std::string ready(6, ' ');
        EXPECT_EQ(output.reader.read(ready).value_or(0), 6U);
        stop.cancel();
      });
      const auto killed = run_process(stop.ctx,
                                      {.args = child_args({program}),
                                       .input = input.reader,
                                       .output = output.writer,
                                       .cancel_signal = SIGTERM,
                                       .wait_delay = 20ms});
      EXPECT(killed.has_value());
      EXPECT_EQ(killed->status.signal(), SIGKILL);
      EXPECT(run_process(stop.ctx, {.args = {"true"}}).error() == ringo::errc::canceled);
    }
  });
}
