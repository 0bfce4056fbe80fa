// Does what ringo warns of: the first argument says what.

#include <chrono>
#include <cstdio>
#include <mutex>
#include <string_view>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/task.hpp>
#include <ringo/time/after.hpp>

namespace {

using namespace std::chrono_literals;

std::mutex of_the_system;

[[gnu::noinline]] void park_with_a_mutex() {
  const std::lock_guard guard(of_the_system);
  ringo::sleep_for(1ms);  // tidy: real time: something to park for
}

void hold_mutexes() {
  for (int i = 0; i < 3; ++i) ringo::spawn(park_with_a_mutex).join();
  std::puts("again");
  std::fflush(stdout);
  ringo::spawn([] {
    { const std::lock_guard guard(of_the_system); }
    ringo::sleep_for(1ms);  // tidy: real time: something to park for
  }).join();
}

void wait_for_long() {
  const auto never = ringo::make_chan<int>();
  for (int i = 0; i < 3; ++i) ringo::go({.name = "waiter"}, [never] { (void)never.recv(); });
  ringo::go({.name = "sleeper"}, [] {
    for (;;) ringo::sleep_for(100ms);  // tidy: real time: parks anew each time
  });
  ringo::sleep_for(2500ms);  // tidy: real time: the warning is about it
  never.close();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  ringo::run([what] { what == "mutex" ? hold_mutexes() : wait_for_long(); });
}
