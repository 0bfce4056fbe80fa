// A request handler that calls a library which blocks its thread, and a fiber that notices.
// (noinline: so that reports show the function.)

#include <chrono>
#include <cstdio>
#include <thread>

#include <ringo/debug.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/task.hpp>

namespace {

using namespace std::chrono_literals;

void look_up_in_the_library() {
  std::this_thread::sleep_for(50ms);  // does not know of fibers
}

[[gnu::noinline]] void handle_request() {
  look_up_in_the_library();  // ringo::blocking([] { look_up_in_the_library(); }) says so
}

/// Beside whoever holds a thread this goes on: the monitor has given its turn away.
void watch_for_stalls() {
  for (auto known = ringo::stats().handoffs;;) {
    ringo::sleep_for(5ms);
    if (ringo::stats().handoffs == known) continue;
    known = ringo::stats().handoffs;
    for (const auto& fiber : ringo::debug::fibers()) {
      if (fiber.state != ringo::debug::fiber_info::status::running) continue;
      if (fiber.name == "watcher") continue;
      std::printf("held up by %s, created by %s\n",
                  fiber.name.c_str(),
                  ringo::debug::symbol(fiber.created_by).c_str());
    }
    return;
  }
}

[[gnu::noinline]] void serve() {
  auto watcher = ringo::spawn({.name = "watcher"}, watch_for_stalls);
  ringo::sleep_for(20ms);
  ringo::go({.name = "request 17"}, handle_request);
  watcher.join();
}

}  // namespace

int main() {
  ringo::run({.workers = 1}, serve);
}
