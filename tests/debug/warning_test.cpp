// What ringo warns of by itself.

#include <doctest/doctest.h>

#include <cstddef>
#include <string>

#include <ringo/detail/config.hpp>

#include "support/run_program.hpp"

using namespace ringo::test;

namespace {

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

program_result run(const std::string& what, const std::string& workers, const std::string& log) {
  return run_program({.name = "warned",
                      .arguments = {what},
                      .environment = {"RINGO_MAXPROCS=" + workers, "RINGO_LOG=" + log}});
}

}  // namespace

TEST_CASE("debug: RINGO_LOG=parked names fibers that are parked for very long, once") {
  for (const char* workers : {"1", "2", "8"}) {
    const auto result = run("parked", workers, "parked=1s");
    CAPTURE(workers);
    CAPTURE(result.output);
    CHECK(result.exited_with(0));
    CHECK(count_of(result.output, "fibers have been parked for over 1 seconds") >= 1);
    CHECK(count_of(result.output, "[chan receive, 1 second]") +
              count_of(result.output, "[chan receive, 2 seconds]") >=
          1);
    CHECK(count_of(result.output, "\"waiter\"") >= 1);
    CHECK(count_of(result.output, "\"sleeper\"") == 0);
  }
  CHECK(run("parked", "2", "engine").printed("parked") == false);
}

#if RINGO_ASSERTIONS && !RINGO_ASAN && !RINGO_TSAN

TEST_CASE("debug: a fiber that parks while it holds a std::mutex is named, once for each place") {
  for (const char* workers : {"1", "2", "8"}) {
    const auto result = run("mutex", workers, "");
    CAPTURE(workers);
    CAPTURE(result.output);
    CHECK(result.exited_with(0));
    CHECK(count_of(result.output, "has parked with 1 std::mutex locked") == 1);
    CHECK(result.printed("park_with_a_mutex"));
    CHECK(result.output.find("std::mutex", result.output.find("again")) == std::string::npos);
  }
}

#endif
