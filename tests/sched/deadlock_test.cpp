// All fibers asleep: reported when nothing can ever wake one, and never before.

#include <doctest/doctest.h>

#include <csignal>
#include <string>
#include <vector>

#include "support/run_program.hpp"

using namespace ringo::test;

namespace {

program_result run(const char* mode,
                   const char* workers,
                   std::vector<std::string> environment = {}) {
  environment.push_back(std::string("RINGO_MAXPROCS=") + workers);
  return run_program(
      {.name = "deadlock", .arguments = {mode}, .environment = std::move(environment)});
}

}  // namespace

// After Go's TestSimpleDeadlock.
TEST_CASE("GR-14: when every fiber is blocked for ever the process ends, with a report") {
  for (const char* const workers : {"1", "2", "8"}) {
    for (const char* const mode : {"mutex", "wait_group", "join", "after_work"}) {
      CAPTURE(workers);
      CAPTURE(mode);
      const auto result = run(mode, workers);
      CAPTURE(result.output);
      CHECK(result.exited_with(2));
      CHECK(result.printed("fatal error: all fibers are asleep - deadlock!"));
      CHECK(result.printed("\"main\""));
      CHECK(result.printed("created by"));
      CHECK_FALSE(result.printed("destructor ran"));
      CHECK_FALSE(result.printed("through"));
    }
  }
}

TEST_CASE("GR-14: the report names every fiber, what it waits for and where it was spawned") {
  const auto result = run("named", "2");
  CAPTURE(result.output);
  CHECK(result.exited_with(2));
  CHECK(result.printed("\"consumer\" [chan receive]"));
  CHECK(result.printed("\"sleepless\" [select (no cases)]"));
  CHECK(result.printed("\"main\" ["));
  CHECK(result.printed("program_deadlock"));
}

TEST_CASE("GR-14: with RINGO_TRACEBACK=crash the report ends in a core dump") {
  const auto result = run("mutex", "2", {"RINGO_TRACEBACK=crash"});
  CAPTURE(result.output);
  CHECK(result.killed_by(SIGABRT));
  CHECK(result.printed("deadlock!"));
}

// After Go's TestNetpollDeadlock and checkdead.
TEST_CASE("GR-15: no deadlock is reported while something may still wake a fiber") {
  for (const char* const workers : {"1", "2", "8"}) {
    for (const char* const mode : {"sleeping",
                                   "timer",
                                   "blocking",
                                   "computing",
                                   "foreign_thread",
                                   "thread_before",
                                   "short_threads"}) {
      CAPTURE(workers);
      CAPTURE(mode);
      const auto result = run(mode, workers);
      CAPTURE(result.output);
      CHECK(result.exited_with(0));
      CHECK(result.printed("through"));
    }
  }
}

// Go's leak profile would name them; here the end of the run does, in debug builds.
TEST_CASE("GR-16: fibers that block each other for ever are not reported while others go on") {
  for (const char* const workers : {"1", "2", "8"}) {
    const auto result = run("partial", workers, {"RINGO_LOG=leftovers"});
    CAPTURE(result.output);
    CHECK(result.exited_with(0));
    CHECK_FALSE(result.printed("deadlock!"));
    CHECK(result.printed("through"));
    CHECK(result.printed("2 fibers were left"));
  }
}
