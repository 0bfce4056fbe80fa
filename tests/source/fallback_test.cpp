// Where io_uring is refused, epoll takes over, and says so when asked.

#include <doctest/doctest.h>

#include <ostream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "source/engine.hpp"
#include "support/run_program.hpp"

using namespace ringo::test;

namespace {

program_result run(const char* refused,
                   const char* engine,
                   std::vector<std::string> environment = {}) {
  environment.push_back(std::string("RINGO_ENGINE=") + engine);
  environment.emplace_back("RINGO_LOG=engine");
  return run_program(
      {.name = "engine_fallback", .arguments = {refused}, .environment = std::move(environment)});
}

bool io_uring_works_here() {
  std::error_code error;
  return ringo::detail::make_engine(ringo::detail::engine_kind::io_uring, error) != nullptr;
}

}  // namespace

TEST_CASE("fallback: where io_uring is refused, automatic takes epoll and says why") {
  struct row {
    const char* refused;
    const char* reason;
  };
  for (const row& each : {row{"EPERM", "Operation not permitted"},
                          row{"ENOSYS", "Function not implemented"},
                          row{"ENOMEM", "Cannot allocate memory"}}) {
    for (const char* const workers : {"1", "2", "8"}) {
      CAPTURE(each.refused);
      CAPTURE(workers);
      const auto result =
          run(each.refused, "automatic", {std::string("RINGO_MAXPROCS=") + workers});
      CAPTURE(result.output);
      if (result.exited_with(77)) continue;  // no seccomp here
      CHECK(result.exited_with(0));
      CHECK(result.printed("worked 5000"));
      CHECK(result.printed("ringo: engine epoll (io_uring: "));
      CHECK(result.printed(each.reason));
    }
  }
}

TEST_CASE("fallback: io_uring that was asked for and is refused panics with the reason") {
  struct row {
    const char* refused;
    const char* text;
  };
  for (const row& each : {row{"EPERM", "panic: run: engine io_uring: Operation not permitted"},
                          row{"ENOSYS", "panic: run: engine io_uring: Function not implemented"}}) {
    CAPTURE(each.refused);
    const auto result = run(each.refused, "io_uring");
    CAPTURE(result.output);
    if (result.exited_with(77)) continue;  // no seccomp here
    CHECK(result.exited_with(3));
    CHECK(result.printed(each.text));
  }
}

TEST_CASE("fallback: epoll that was asked for needs no io_uring") {
  for (const char* const refused : {"nothing", "EPERM", "memlock"}) {
    CAPTURE(refused);
    const auto result = run(refused, "epoll");
    CAPTURE(result.output);
    if (result.exited_with(77)) continue;
    CHECK(result.exited_with(0));
    CHECK(result.printed("worked 5000"));
    CHECK(result.printed("ringo: engine epoll (asked for)"));
  }
}

// Kernels since 5.12 charge rings to the memory cgroup; older ones to this limit.
TEST_CASE("fallback: with little memory to lock the runtime still works") {
  for (const char* const workers : {"1", "2", "8"}) {
    const auto result = run("memlock", "automatic", {std::string("RINGO_MAXPROCS=") + workers});
    CAPTURE(result.output);
    CHECK(result.exited_with(0));
    CHECK(result.printed("worked 5000"));
    CHECK(result.printed("ringo: engine "));
  }
}

TEST_CASE("fallback: where io_uring works, automatic takes it") {
  if (!io_uring_works_here()) {
    MESSAGE("no io_uring here");
    return;
  }
  const auto result = run("nothing", "automatic");
  CAPTURE(result.output);
  CHECK(result.exited_with(0));
  if (result.printed("io_uring: Cannot allocate memory")) {
    MESSAGE("not enough memory to lock for a ring for each worker");
    return;
  }
  CHECK(result.printed("ringo: engine io_uring\n"));
  const auto asked = run("nothing", "io_uring");
  CAPTURE(asked.output);
  CHECK(asked.exited_with(0));
  CHECK(asked.printed("ringo: engine io_uring (asked for)"));
}

TEST_CASE("fallback: without RINGO_LOG nothing is printed") {
  const auto result = run_program({.name = "engine_fallback",
                                   .arguments = {"nothing"},
                                   .environment = {"RINGO_LOG=", "RINGO_MAXPROCS=2"}});
  CAPTURE(result.output);
  CHECK(result.output == "worked 5000\n");
}
