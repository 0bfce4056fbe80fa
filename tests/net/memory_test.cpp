// What an idle connection costs. Built without sanitizers only.

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <vector>

#include "support/run_program.hpp"

using namespace ringo::test;

namespace {

std::size_t number_after(const std::string& text, const std::string& name) {
  const auto place = text.rfind(name + ' ');
  REQUIRE_MESSAGE(place != std::string::npos, name);
  return std::strtoull(text.c_str() + place + name.size(), nullptr, 10);
}

std::string hold(std::vector<std::string> arguments, const char* workers) {
  auto result = run_program({.name = "net_memory",
                             .arguments = std::move(arguments),
                             .environment = {std::string("RINGO_MAXPROCS=") + workers},
                             .timeout = std::chrono::seconds(50)});
  INFO(result.output);
  REQUIRE(result.exited_with(0));
  return std::move(result.output);
}

}  // namespace

TEST_CASE("memory: a connection on which a fiber waits costs less than 6 KiB") {
  for (const char* const workers : {"1", "2", "8"}) {
    const auto output = hold({"10000"}, workers);
    const std::size_t connections = number_after(output, "connections");
    const std::size_t used = number_after(output, "idle_kib") - number_after(output, "start_kib");
    CHECK(used >= connections * 4);  // a page: else nothing was measured
    CHECK(used <= connections * 6);
  }
}

TEST_CASE("memory: a read that waits takes less than 3 KiB of its stack") {
  const auto output = hold({"200", "measure"}, "2");
  CHECK(number_after(output, "stack_bytes") > 500);
  CHECK(number_after(output, "stack_bytes") < 3 * 1024);
}
