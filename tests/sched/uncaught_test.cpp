// Exceptions that leave a fiber end the process, as an uncaught panic does in Go.

#include <doctest/doctest.h>

#include <csignal>
#include <string>
#include <vector>

#include "support/run_program.hpp"
#include "support/sizes.hpp"

using namespace ringo::test;

namespace {

constexpr auto main_end_runs = sizes::pick<int>(100, 20, 10);
constexpr auto slow_reports = sizes::pick<int>(6, 4, 4);

program_result run(const char* mode,
                   const char* workers,
                   std::vector<std::string> environment = {}) {
  environment.push_back(std::string("RINGO_MAXPROCS=") + workers);
  return run_program(
      {.name = "uncaught", .arguments = {mode}, .environment = std::move(environment)});
}

}  // namespace

TEST_CASE(
    "GR-5: an exception that leaves a fiber ends the process, after that fiber's destructors") {
  for (const char* const workers : {"1", "2", "8"}) {
    for (const char* const mode : {"go", "parked"}) {
      CAPTURE(workers);
      CAPTURE(mode);
      const auto result = run(mode, workers);
      CAPTURE(result.output);
      CHECK(result.exited_with(2));
      CHECK(result.printed("panic: boom"));
      CHECK(result.printed("std::runtime_error"));
      CHECK(result.printed("\"thrower\""));
      CHECK(result.printed("created by "));
      CHECK(result.printed("inner destructor"));
      // Other fibers' destructors do not run.
      CHECK_FALSE(result.printed("main's destructor"));
      CHECK_FALSE(result.printed("bystander's destructor"));
      CHECK_FALSE(result.printed("unreachable"));
    }
    CHECK(run("go", workers).printed("outer destructor"));
  }
}

// The frames are those of the throw, although the stack has been unwound when they are printed.
TEST_CASE("GR-5: the report has the backtrace of the throw") {
  for (const char* const mode : {"go", "blocking"}) {
    const auto result = run(mode, "2");
    CAPTURE(result.output);
    const auto begin = result.output.find("[running]:");
    const auto end = result.output.find("created by");
    REQUIRE(begin != std::string::npos);
    REQUIRE(end != std::string::npos);
    REQUIRE(begin < end);
    const std::string frames = result.output.substr(begin, end - begin);
    std::size_t in_program = 0;
    for (auto at = frames.find("program_uncaught"); at != std::string::npos;
         at = frames.find("program_uncaught", at + 1)) {
      ++in_program;
    }
    CHECK(in_program >= 3);
    CHECK(result.printed("\"thrower\""));
  }
}

TEST_CASE("GR-5: exceptions of any type end the process") {
  const auto strange = run("strange", "2");
  CAPTURE(strange.output);
  CHECK(strange.exited_with(2));
  CHECK(strange.printed("strange"));
  const auto panic = run("panic", "2");
  CAPTURE(panic.output);
  CHECK(panic.exited_with(2));
  CHECK(panic.printed("panic: broken contract"));
}

TEST_CASE("GR-8: the report has the whole chain of nested exceptions") {
  const auto result = run("nested", "2");
  CAPTURE(result.output);
  CHECK(result.exited_with(2));
  CHECK(result.printed("panic: effect"));
  CHECK(result.printed("caused by: cause"));
  CHECK(result.output.find("effect") < result.output.find("cause"));
}

TEST_CASE("GR-8: the chain ends with what is no std::exception") {
  const auto result = run("chain", "2");
  CAPTURE(result.output);
  CHECK(result.exited_with(2));
  CHECK(result.printed("panic: third [std::"));
  CHECK(result.printed("\n\tcaused by: second [std::"));
  CHECK(result.printed("\n\tcaused by: an exception that is no std::exception\n"));
  CHECK(result.output.find("third") < result.output.find("second"));
  CHECK(result.output.find("second") < result.output.find("no std::exception"));
}

TEST_CASE("GR-6: a handler around go catches nothing of what the fiber throws") {
  for (const char* const workers : {"1", "2", "8"}) {
    const auto result = run("caught_by_nobody", workers);
    CAPTURE(result.output);
    CHECK(result.exited_with(2));
    CHECK(result.printed("panic: boom"));
    CHECK_FALSE(result.printed("caught\n"));
    CHECK_FALSE(result.printed("main's destructor"));
  }
}

TEST_CASE("GR-5: an exception out of wait_group::go ends the process before anybody is released") {
  for (const char* const workers : {"1", "2", "8"}) {
    const auto result = run("wait_group", workers);
    CAPTURE(result.output);
    CHECK(result.exited_with(2));
    CHECK(result.printed("panic: boom"));
    CHECK_FALSE(result.printed("unreachable"));
  }
}

TEST_CASE("GR-5: with RINGO_TRACEBACK=crash it dumps core") {
  const auto result = run("go", "2", {"RINGO_TRACEBACK=crash"});
  CAPTURE(result.output);
  CHECK(result.killed_by(SIGABRT));
  CHECK(result.printed("panic: boom"));
}

// After Go's TestPanicRace. Main ends, without any grace, while a fiber is in the middle of its
// report.
TEST_CASE("GR-7: main's end does not cut a report short, and does not win over it") {
  for (int i = 0; i < slow_reports; ++i) {
    const auto result = run("main_ends_meanwhile", i % 2 == 0 ? "2" : "8");
    CAPTURE(result.output);
    CHECK(result.exited_with(2));
    CHECK(result.printed("panic: slow to tell"));
    CHECK(result.printed("created by"));
    CHECK_FALSE(result.printed("abandoned"));
  }
}

TEST_CASE("GR-7: of several reports one is printed, and whole") {
  for (const char* const workers : {"1", "2", "8"}) {
    const auto result = run("many", workers);
    CAPTURE(result.output);
    CHECK(result.exited_with(2));
    const auto first = result.output.find("panic: slow to tell");
    REQUIRE(first != std::string::npos);
    CHECK(result.output.find("panic:", first + 1) == std::string::npos);
    CHECK(result.printed("created by"));
  }
}

// The moment of the throw is left to chance: the fiber may also not have thrown when main ends. But
// half a report, or a report and a good end, must not be.
TEST_CASE("GR-7: a report that has begun is finished, even if main returns meanwhile") {
  for (int i = 0; i < main_end_runs; ++i) {
    const auto result = run("main_ends", i % 2 == 0 ? "2" : "8");
    CAPTURE(result.output);
    if (result.printed("panic:")) {
      CHECK(result.exited_with(2));
      CHECK(result.printed("panic: boom"));
      CHECK(result.printed("created by"));
    } else {
      CHECK(result.exited_with(0));
    }
  }
}
