// What is beyond repair ends the process, whatever the program would catch.

#include <doctest/doctest.h>

#include <csignal>
#include <string>

#include "support/run_program.hpp"

using namespace ringo::test;

namespace {

void check_fatal(const char* mode, const char* text) {
  CAPTURE(mode);
  const auto result = run_program({.name = "fatal", .arguments = {mode}});
  CAPTURE(result.output);
  CHECK(result.exited_with(2));
  CHECK(result.printed(text));
  CHECK_FALSE(result.printed("caught"));
  CHECK_FALSE(result.printed("destructor ran"));
  const auto crash =
      run_program({.name = "fatal", .arguments = {mode}, .environment = {"RINGO_TRACEBACK=crash"}});
  CAPTURE(crash.output);
  CHECK(crash.killed_by(SIGABRT));
  CHECK(crash.printed(text));
}

}  // namespace

// The rest of Go's list differs: go of a null function panics, and nobody looks after the writers
// of a std::map.
TEST_CASE("GR-9: fatal errors cannot be caught, and no destructor runs") {
  check_fatal("unlock", "fatal error: sync: unlock of unlocked mutex");
  check_fatal("deadlock", "fatal error: all fibers are asleep - deadlock!");
  check_fatal("overflow", "fiber stack overflow");
  check_fatal("threads", "fatal error: thread limit reached");
}

// After Go's TestThreadExhaustion. The limit is that of the program: 4.
TEST_CASE("GR-29: one thread more than max_threads is fatal, and no deadlock") {
  for (int i = 0; i < 5; ++i) {
    const auto result = run_program({.name = "fatal", .arguments = {"threads"}});
    CAPTURE(result.output);
    CHECK(result.exited_with(2));
    CHECK(result.output == "fatal error: thread limit reached\n");
  }
}
