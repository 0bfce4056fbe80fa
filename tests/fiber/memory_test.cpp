// What many fibers cost, and that the memory comes back. Built without sanitizers only.

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "support/run_program.hpp"

using namespace ringo::test;

namespace {

std::size_t number_after(const std::string& text, const std::string& name) {
  const auto place = text.find(name + ' ');
  REQUIRE_MESSAGE(place != std::string::npos, name);
  return std::strtoull(text.c_str() + place + name.size(), nullptr, 10);
}

program_result park(std::size_t fibers, std::size_t pages, const char* workers) {
  return run_program({.name = "fiber_memory",
                      .arguments = {std::to_string(fibers), std::to_string(pages)},
                      .environment = {std::string("RINGO_MAXPROCS=") + workers},
                      .timeout = std::chrono::seconds(55)});
}

std::size_t available_kib() {
  std::ifstream file("/proc/meminfo");
  std::string name;
  while (file >> name) {
    std::size_t value = 0;
    if (name == "MemAvailable:" && file >> value) return value;
  }
  return 0;
}

}  // namespace

TEST_CASE("memory: fibers that have ended give their stacks back when the workers are idle") {
  constexpr std::size_t fibers = 20'000;
  for (const char* const workers : {"1", "2", "8"}) {
    const auto result = park(fibers, 4, workers);
    CAPTURE(result.output);
    REQUIRE(result.exited_with(0));
    const std::size_t start = number_after(result.output, "start_kib");
    const std::size_t parked = number_after(result.output, "parked_kib");
    const std::size_t idle = number_after(result.output, "idle_kib");
    CHECK(parked - start >= fibers * 16);  // 4 pages each
    CHECK(parked - start <= fibers * 16 * 2);
    CHECK(idle - start <= (parked - start) / 4);
  }
}

TEST_CASE("memory: fibers that stay parked after a deep call keep only what they use") {
  constexpr std::size_t fibers = 1'000;
  for (const char* const workers : {"1", "2", "8"}) {
    const auto result = run_program({.name = "fiber_memory",
                                     .arguments = {std::to_string(fibers), "32", "for long"},
                                     .environment = {std::string("RINGO_MAXPROCS=") + workers},
                                     .timeout = std::chrono::seconds(55)});
    CAPTURE(result.output);
    REQUIRE(result.exited_with(0));
    const std::size_t start = number_after(result.output, "start_kib");
    CHECK(number_after(result.output, "parked_kib") - start >= fibers * 32 * 4);
    CHECK(number_after(result.output, "parked_long_kib") - start <= fibers * 8);
  }
}

TEST_CASE("memory: a parked fiber costs little more than a page") {
  constexpr std::size_t fibers = 20'000;
  const auto result = park(fibers, 1, "2");
  CAPTURE(result.output);
  REQUIRE(result.exited_with(0));
  const std::size_t used =
      number_after(result.output, "parked_kib") - number_after(result.output, "start_kib");
  CHECK(used <= fibers * 6);
  CHECK(number_after(result.output, "parked_mappings") < 2'000);
  CHECK(number_after(result.output, "unguarded") == 0);
}

TEST_CASE("memory: a million fibers park under the default limit of mappings" *
          doctest::test_suite("stress")) {
  constexpr std::size_t needed_kib = std::size_t{8} << 20;
  if (available_kib() < needed_kib) {
    MESSAGE("skipped: too little memory");
    return;
  }
  const auto result = park(1'000'000, 1, "2");
  CAPTURE(result.output);
  REQUIRE(result.exited_with(0));
  CHECK(number_after(result.output, "parked_mappings") < 65'530);
}
