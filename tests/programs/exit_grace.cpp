// Ends a run while a fiber is inside blocking(): one that comes back long after the grace period
// ("abandon"), or one that comes back in time ("in_time").

#include <atomic>
#include <chrono>
#include <cstdio>
#include <string_view>
#include <thread>

#include <ringo/blocking.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/task.hpp>

namespace {

using namespace std::chrono_literals;

std::atomic<bool> inside{false};
std::atomic<bool> may_return{false};
std::atomic<bool> back{false};

void call() {
  ringo::blocking([] {
    inside = true;
    while (!may_return) std::this_thread::yield();
    std::puts("system call over");
    back = true;
  });
  // The run is over: this fiber must not go on.
  std::puts("touched");
}

void start_call() {
  ringo::go({.name = "stuck"}, call);
  // The helper keeps other workers of one token going while `call` blocks.
  ringo::go([] {
    while (!inside) ringo::yield();
  });
  while (!inside) ringo::yield();
}

void abandon() {
  ringo::options options;
  options.exit_grace = 50ms;
  const int result = ringo::run(options, [] {
    start_call();
    return 5;
  });
  std::printf("run returned %d\n", result);
  may_return = true;
  while (!back) std::this_thread::yield();
  std::printf("run again returned %d\n", ringo::run([] {
                for (int i = 0; i < 1'000; ++i) ringo::yield();
                return ringo::spawn([] { return 6; }).join();
              }));
}

void in_time() {
  ringo::options options;
  options.exit_grace = 60s;
  std::thread releaser;
  ringo::run(options, [&] {
    start_call();
    releaser = std::thread([] {
      std::this_thread::sleep_for(100ms);  // tidy: real time: the run should be at its end by then
      may_return = true;
    });
  });
  releaser.join();
  for (int i = 0; i < 1'000; ++i) std::this_thread::yield();
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  if (argc != 2) return 1;
  if (std::string_view(argv[1]) == "abandon") abandon();
  if (std::string_view(argv[1]) == "in_time") in_time();
}
