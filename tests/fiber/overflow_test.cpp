// Fibers that use too much stack end the process and say why; those that use nearly all of it live.

#include <doctest/doctest.h>

#include <csignal>
#include <string>
#include <vector>

#include "support/run_program.hpp"
#include "support/sizes.hpp"

using namespace ringo::test;

namespace {

program_result run(const std::string& mode, std::vector<std::string> environment = {}) {
  return run_program(
      {.name = "stack_overflow", .arguments = {mode}, .environment = std::move(environment)});
}

}  // namespace

TEST_CASE("GR-33: a fiber stack overflow is fatal and tells who, how much and what to do") {
  for (const char* const workers : {"1", "2", "8"}) {
    CAPTURE(workers);
    const auto result = run("named", {std::string("RINGO_MAXPROCS=") + workers});
    CAPTURE(result.output);
    CHECK(result.exited_with(2));
    CHECK(result.printed("fatal error: fiber stack overflow"));
    CHECK(result.printed("\"digger\""));
    CHECK(result.printed("64 KiB"));
    CHECK(result.printed("created by "));
    CHECK(result.printed("program_stack_overflow"));  // spawn site and backtrace
    CHECK(result.printed("stack_size"));
    CHECK(result.printed("RINGO_STACK_SIZE"));
    CHECK_FALSE(result.printed("destructor ran"));
  }
}

TEST_CASE("overflow: every fiber is guarded, whenever it overflows") {
  struct row {
    const char* mode;
    const char* name;
  };
  for (const row& each : {row{"main", "\"main\""},
                          row{"nested", "\"inner\""},
                          row{"after_park", "\"late\""},
                          row{"in_blocking", "\"blocker\""}}) {
    CAPTURE(each.mode);
    const auto result = run(each.mode);
    CAPTURE(result.output);
    CHECK(result.exited_with(2));
    CHECK(result.printed("fatal error: fiber stack overflow"));
    CHECK(result.printed(each.name));
    CHECK(result.printed("256 KiB"));
  }
}

TEST_CASE("overflow: RINGO_STACK_SIZE changes what a fiber has") {
  const auto result = run("main", {"RINGO_STACK_SIZE=2000000"});
  CAPTURE(result.output);
  CHECK(result.exited_with(2));
  CHECK(result.printed("2048 KiB"));
}

TEST_CASE("overflow: with RINGO_TRACEBACK=crash it dumps core") {
  const auto result = run("named", {"RINGO_TRACEBACK=crash"});
  CAPTURE(result.output);
  CHECK(result.printed("fatal error: fiber stack overflow"));
  CHECK(result.killed_by(SIGABRT));
}

TEST_CASE("overflow: a fiber may use nearly all of its stack") {
  for (const char* const workers : {"1", "2", "8"}) {
    const auto result = run("fits", {std::string("RINGO_MAXPROCS=") + workers});
    CAPTURE(result.output);
    CHECK(result.exited_with(0));
    CHECK(result.printed("fits"));
  }
}

TEST_CASE("overflow: a fault that is not ours goes to the handler that was there before") {
  const auto result = run("foreign");
  CAPTURE(result.output);
  CHECK(result.exited_with(7));
  CHECK(result.printed("previous handler: 8\n"));
  const auto simple = run("foreign_simple");
  CAPTURE(simple.output);
  CHECK(simple.exited_with(7));
  CHECK(simple.printed("previous simple handler"));
}

TEST_CASE("overflow: a fault that nobody handles kills the process") {
  const auto result = run("default");
  CAPTURE(result.output);
#if RINGO_ASAN || RINGO_TSAN  // they handle it
  CHECK_FALSE(result.exited_with(0));
  CHECK(result.printed("SEGV"));
#else
  CHECK(result.killed_by(SIGSEGV));
#endif
  CHECK_FALSE(result.printed("fiber stack overflow"));
}
