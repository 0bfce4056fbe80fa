// Six requests share two connections to a database, and the first two ask for long reports. Why are
// the others slow: what do they wait for, and who has it?
// (noinline: so that reports show the function.)

#include <chrono>
#include <cstdio>
#include <string>

#include <ringo/debug.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/sync/semaphore.hpp>
#include <ringo/task.hpp>

namespace {

using namespace std::chrono_literals;

ringo::semaphore connections(2);

[[gnu::noinline]] void query(std::chrono::milliseconds duration) {
  connections.acquire();
  ringo::sleep_for(duration);  // until the database answers
  connections.release();
}

[[gnu::noinline]] void serve(int number) {
  const bool is_report = number < 2;
  query(is_report ? 500ms : 1ms);
  std::printf("request %d is served\n", number);
}

[[gnu::noinline]] void accept_requests() {
  for (int number = 0; number < 6; ++number) {
    ringo::go({.name = "request " + std::to_string(number)}, serve, number);
    ringo::yield();
  }
}

/// What a handler of /debug, or a timer, would do.
void print_slow(std::chrono::milliseconds limit) {
  for (const auto& fiber : ringo::debug::fibers()) {
    if (fiber.name.starts_with("request") && fiber.waited >= limit) {
      std::printf("%s: %s\n", fiber.name.c_str(), fiber.reason.c_str());
    }
  }
}

}  // namespace

int main() {
  ringo::run({.workers = 1}, [] {
    accept_requests();
    ringo::sleep_for(200ms);
    print_slow(100ms);
    std::printf("\n%s", ringo::debug::dump().c_str());
  });
}
