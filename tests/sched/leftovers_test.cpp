// What is said of the fibers that a main fiber leaves behind.

#include <doctest/doctest.h>

#include <regex>
#include <set>
#include <string>
#include <vector>

#include "support/run_program.hpp"

using namespace ringo::test;

namespace {

program_result run(const char* workers, const char* log) {
  return run_program(
      {.name = "leftovers",
       .environment = {std::string("RINGO_MAXPROCS=") + workers, std::string("RINGO_LOG=") + log}});
}

/// What the run printed whose number is announced by `begin`.
std::string part(const std::string& output, const std::string& begin, const std::string& end) {
  const auto first = begin.empty() ? 0 : output.find(begin + "\n");
  REQUIRE(first != std::string::npos);
  const auto from = begin.empty() ? 0 : first + begin.size() + 1;
  const auto to = end.empty() ? output.size() : output.find(end + "\n");
  REQUIRE(to != std::string::npos);
  return output.substr(from, to - from);
}

bool matches(const std::string& text, const std::string& pattern) {
  return std::regex_match(text, std::regex(pattern));
}

const std::string spawned = ": spawned at .*program_leftovers.*\n";

}  // namespace

TEST_CASE("leftovers: each is listed once, with number, name, wait reason and spawn site") {
  for (const char* const workers : {"1", "2", "8"}) {
    CAPTURE(workers);
    const auto result = run(workers, "leftovers");
    CAPTURE(result.output);
    CHECK(result.exited_with(0));
    const std::string many = part(result.output, "", "second");
    CHECK(many.rfind("ringo: 5 fibers were left when the main fiber ended:\n", 0) == 0);
    for (const char* const line : {R"re( "receiver" \[chan receive\])re",
                                   R"re( "patient" \[chan receive\])re",
                                   R"re( "locker" \[sync\.Mutex\.Lock\])re",
                                   R"re( "sleeper" \[sleep\])re",
                                   R"re( \[sleep\])re"}) {
      CAPTURE(line);
      CHECK(std::regex_search(many, std::regex("\nfiber [0-9]+" + std::string(line) + spawned)));
    }
    CHECK(matches(many, "ringo: 5 .*\n(fiber [0-9]+ .*\n){5}"));
    CHECK(matches(part(result.output, "second", "third"),
                  "ringo: 1 fiber was left when the main fiber ended:\n"
                  "fiber [0-9]+ \"unborn\" \\[runnable\\]" +
                      spawned));
    CHECK(part(result.output, "third", "fourth").empty());
    // Given up, not left: said once, when it happens, and never again.
    CHECK(matches(part(result.output, "fourth", "fifth"),
                  "ringo: the run has ended while fiber [0-9]+ \"stuck\" .*\n"));
    CHECK(part(result.output, "fifth", "").empty());
  }
}

TEST_CASE("leftovers: their numbers ascend") {
  const auto result = run("8", "leftovers");
  const std::string many = part(result.output, "", "second");
  const std::regex entry("fiber ([0-9]+)");
  std::vector<unsigned long long> numbers;
  for (std::sregex_iterator at(many.begin(), many.end(), entry), end; at != end; ++at) {
    numbers.push_back(std::stoull((*at)[1]));
  }
  REQUIRE(numbers.size() == 5);
  for (std::size_t i = 1; i < numbers.size(); ++i) CHECK(numbers[i - 1] < numbers[i]);
}

// The place of the spawn itself, not of who called the function that spawns.
TEST_CASE("leftovers: fibers that one function spawns have different spawn sites") {
  const auto result = run("2", "leftovers");
  CAPTURE(result.output);
  const std::string many = part(result.output, "", "second");
  const std::regex entry("spawned at (.*)\n");
  std::set<std::string> sites;
  for (std::sregex_iterator at(many.begin(), many.end(), entry), end; at != end; ++at) {
    sites.insert((*at)[1]);
  }
  CHECK(sites.size() == 5);
}

TEST_CASE("leftovers: nothing is said unless asked for, but in debug builds") {
  const auto result = run("2", "");
  CAPTURE(result.output);
  CHECK(result.exited_with(0));
#if defined(RINGO_LIST_LEFTOVERS)
  CHECK(result.printed("ringo: 5 fibers were left"));
#else
  CHECK_FALSE(result.printed("left when"));
#endif
}
