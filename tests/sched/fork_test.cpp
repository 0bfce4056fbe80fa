// The child of a fork has none of the runtime's threads; using the runtime there is fatal.

#include <doctest/doctest.h>

#include <string>

#include "support/run_program.hpp"
#include "support/sizes.hpp"

using namespace ringo::test;

namespace {

program_result run(const char* mode, const char* workers) {
  return run_program({.name = "fork",
                      .arguments = {mode},
                      .environment = {std::string("RINGO_MAXPROCS=") + workers}});
}

}  // namespace

// ThreadSanitizer does not support threads in the child of a fork of a program with threads.
TEST_CASE("fork: use of the runtime in the child is fatal, and the parent goes on" *
          doctest::skip(RINGO_TSAN != 0)) {
  for (const char* const workers : {"1", "2", "8"}) {
    for (const char* const mode : {"go", "yield", "block", "thread", "run"}) {
      CAPTURE(workers);
      CAPTURE(mode);
      const auto result = run(mode, workers);
      CAPTURE(result.output);
      CHECK(result.exited_with(0));
      CHECK(result.printed("fatal error: ringo used in the child of a fork"));
      CHECK(result.printed("child exited with 2"));
      CHECK(result.printed("parent 7"));
    }
  }
}

TEST_CASE("fork: a child that does not use the runtime, or calls exec, is fine") {
  for (const char* const workers : {"1", "2", "8"}) {
    const auto unused = run("no_use", workers);
    CAPTURE(unused.output);
    CHECK(unused.printed("child exited with 42"));
    CHECK(unused.printed("parent 7"));
    const auto exec = run("exec", workers);
    CAPTURE(exec.output);
    CHECK(exec.printed("child exited with 43"));
    CHECK(exec.printed("parent 7"));
  }
}

TEST_CASE("fork: a child that lets go of a connection takes nothing from the parent" *
          doctest::skip(RINGO_TSAN != 0)) {
  for (const char* const workers : {"1", "2", "8"}) {
    const auto result = run("drop", workers);
    CAPTURE(result.output);
    CHECK(result.exited_with(0));
    CHECK(result.printed("parent read 1\nchild exited with 0\nparent read 1\n"));
  }
}

TEST_CASE("fork: between two runs the child may have a runtime of its own" *
          doctest::skip(RINGO_TSAN != 0)) {
  for (const char* const workers : {"1", "2", "8"}) {
    const auto result = run("before_run", workers);
    CAPTURE(result.output);
    CHECK(result.printed("child exited with 44"));
    CHECK(result.printed("parent 7"));
  }
}
