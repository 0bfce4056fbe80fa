// The code of docs/guide/debugging.md; see guide_test.cpp. The dump on that page is of
// program_dump: tests/debug/dump_test.cpp.

#include <doctest/doctest.h>

#include <cstdio>
#include <string>

#include <unistd.h>

#include <ringo/debug.hpp>
#include <ringo/ringo.hpp>

#include "support/run_on.hpp"

using namespace ringo::test;

namespace {

// [dump]
void explain(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  if (const auto error = ringo::debug::dump(STDERR_FILENO)) std::perror(error.message().c_str());
}
// [dump]

// [fibers]
std::string longest_wait() {
  ringo::debug::fiber_info longest;
  for (const auto& fiber : ringo::debug::fibers()) {
    if (fiber.waited >= longest.waited) longest = fiber;
  }
  return longest.name + ": " + longest.reason;
}
// [fibers]

// [leaks]
std::string leaked_fibers() {
  const auto report = ringo::debug::leaks();
  if (!report.unknown.empty()) return "cannot tell: " + report.unknown;
  std::string text;
  for (const auto& fiber : report.fibers) {
    text += fiber.reason + ", created by " + ringo::debug::symbol(fiber.created_by) + "\n";
  }
  return text;
}
// [leaks]

}  // namespace

TEST_CASE("debugging: a program explains itself") {
  run_on(2, [] {
    explain("what the page shows:");
    EXPECT(longest_wait() == "main: running");
    const std::string leaked = leaked_fibers();
    EXPECT(leaked.empty() || leaked.rfind("cannot tell: ", 0) == 0);
  });
}
