// Contexts that end the wait for a process, or the process.

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <string>
#include <system_error>

#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/os/process.hpp>
#include <ringo/sync/wait_group.hpp>

#include "os/child_process.hpp"
#include "support/children.hpp"
#include "support/run_on.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::os::process;
using ringo::os::stdio;

namespace {

/// Once its handlers are what they should be.
void wait_until_ready(const process& child) {
  std::string line(6, ' ');
  EXPECT_EQ(child.output().read(line).value_or(0), 6U);
}

void check_giving_up() {
  const auto child = process::start({.args = child_args({"stay"}), .output = stdio::pipe()});
  auto stop = ringo::with_cancel(ringo::background());
  ringo::wait_group group;
  group.go([&] { EXPECT(child->wait(stop.ctx).error() == ringo::errc::canceled); });
  wait_until_ready(*child);
  stop.cancel();
  group.wait();
  EXPECT(child->wait(stop.ctx).error() == ringo::errc::canceled);
  EXPECT(!child->kill(SIGTERM));
  EXPECT_EQ(child->wait(ringo::background())->signal(), SIGTERM);
}

}  // namespace

TEST_CASE("NT-41: a wait gives up with its context, and may be called again") {
  run_freely_on_each([] { check_giving_up(); });
}

TEST_CASE("NT-41: a wait gives up where the system has no pidfds, too") {
  ringo::detail::child_process::use_pidfds(false);
  run_freely_on_each([] { check_giving_up(); });
  ringo::detail::child_process::use_pidfds(true);
}

// After Go's TestContext and TestContextCancel.
TEST_CASE("NT-41: the end of the context kills the process") {
  run_freely_on_each([] {
    auto stop = ringo::with_cancel(ringo::background());
    const auto child =
        process::start(stop.ctx, {.args = child_args({"stubborn"}), .output = stdio::pipe()});
    wait_until_ready(*child);
    stop.cancel();
    const auto status = child->wait();
    EXPECT(status.has_value());
    EXPECT_EQ(status->signal(), SIGKILL);
  });
}

TEST_CASE("NT-41: so does its deadline") {
  run_freely_on_each([] {
    auto stop = ringo::with_timeout(ringo::background(), 20ms);
    const auto child = process::start(stop.ctx, {.args = child_args({"stubborn"})});
    if (!child) return EXPECT(child.error() == ringo::errc::deadline_exceeded);  // a slow machine
    EXPECT_EQ(child->wait()->signal(), SIGKILL);
  });
}

TEST_CASE("NT-41: start on a done context starts nothing") {
  run_freely_on_each([] {
    auto stop = ringo::with_cancel(ringo::background());
    stop.cancel();
    EXPECT(process::start(stop.ctx, {.args = {"true"}}).error() == ringo::errc::canceled);
  });
}

// After Go's TestWaitInterrupt.
TEST_CASE("NT-41: a gentler signal, and its error if the process then says it is well") {
  run_freely_on_each([] {
    auto stop = ringo::with_cancel(ringo::background());
    const auto child = process::start(
        stop.ctx,
        {.args = child_args({"polite"}), .output = stdio::pipe(), .cancel_signal = SIGTERM});
    wait_until_ready(*child);
    stop.cancel();
    EXPECT(child->wait().error() == ringo::errc::canceled);
    EXPECT(child->wait().error() == std::errc::no_child_process);

    auto later = ringo::with_cancel(ringo::background());
    const auto other = process::start(
        later.ctx,
        {.args = child_args({"stay"}), .output = stdio::pipe(), .cancel_signal = SIGTERM});
    wait_until_ready(*other);
    later.cancel();
    EXPECT_EQ(other->wait()->signal(), SIGTERM);
  });
}

TEST_CASE("NT-41: the end of the context after that of the process changes nothing") {
  run_freely_on_each([] {
    auto stop = ringo::with_cancel(ringo::background());
    const auto child = process::start(stop.ctx, {.args = child_args({"exit", "0"})});
    EXPECT(child->wait()->success());
    stop.cancel();
    EXPECT(child->kill() == std::errc::no_such_process);
  });
}

TEST_CASE("NT-41: after wait_delay the process is killed and its pipes are closed") {
  run_freely_on_each([] {
    auto stop = ringo::with_cancel(ringo::background());
    // The grandchild has the pipe to the output, too, and lives as long as that of the input.
    const auto child = process::start(stop.ctx,
                                      {.args = child_args({"grandchild"}),
                                       .input = stdio::pipe(),
                                       .output = stdio::pipe(),
                                       .cancel_signal = SIGTERM,
                                       .wait_delay = 20ms});
    wait_until_ready(*child);
    ringo::wait_group group;
    group.go([&] {
      char byte = 0;
      EXPECT(child->output().read({&byte, 1}).error() == ringo::errc::closed);
    });
    stop.cancel();
    EXPECT_EQ(child->wait()->signal(), SIGKILL);
    group.wait();
    EXPECT(child->output().close() == ringo::errc::closed);
  });
}

TEST_CASE("NT-41: the context ends a process that nobody has a handle of") {
  run_freely_on_each([] {
    auto stop = ringo::with_cancel(ringo::background());
    ringo::io::file output;
    {
      const auto child =
          process::start(stop.ctx, {.args = child_args({"stubborn"}), .output = stdio::pipe()});
      wait_until_ready(*child);
      output = child->output();
    }
    stop.cancel();
    EXPECT_EQ(read_all(output), std::string());  // ends with the process
  });
}
