// Asks three replicas and takes the first answer. Nobody receives those of the slower ones.
// (noinline: so that reports show the function.)

#include <chrono>
#include <cstdio>
#include <string>

#include <ringo/chan.hpp>
#include <ringo/debug.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>

namespace {

using namespace std::chrono_literals;

std::string ask(int replica) {
  ringo::sleep_for(replica * 10ms);
  return "answer of replica " + std::to_string(replica);
}

[[gnu::noinline]] std::string first_answer() {
  const auto answers = ringo::make_chan<std::string>();  // room for the others: make_chan<...>(3)
  for (int replica = 1; replica <= 3; ++replica) {
    ringo::go({.name = "replica"}, [answers, replica] { answers.send(ask(replica)); });
  }
  return answers.recv().value();
}

void report_leaks() {
  const auto report = ringo::debug::leaks();
  if (!report.unknown.empty()) std::printf("cannot tell: %s\n", report.unknown.c_str());
  for (const auto& fiber : report.fibers) {
    std::printf("leaked: %s, %s, created by %s\n",
                fiber.name.c_str(),
                fiber.reason.c_str(),
                ringo::debug::symbol(fiber.created_by).c_str());
  }
}

}  // namespace

int main() {
  ringo::run([] {
    for (int request = 0; request < 2; ++request) std::printf("%s\n", first_answer().c_str());
    ringo::sleep_for(100ms);
    report_leaks();
  });
}
