// Runs under a policy or limit that refuses io_uring, as containers do. Arguments: what to refuse
// (EPERM, ENOSYS, memlock, nothing). Prints "worked" when fibers, timers and wake-ups worked.

#include <chrono>
#include <cstdio>
#include <thread>

#include <ringo/chan.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/task.hpp>

#include "support/restrict.hpp"

namespace {

int use_it() {
  auto ch = ringo::make_chan<int>();
  std::thread thread([ch]() mutable {
    for (int i = 0; i < 100; ++i) ch.send(i);  // wakes workers that sleep in their engines
  });
  int sum = 0;
  for (int i = 0; i < 100; ++i) sum += *ch.recv();
  thread.join();
  ringo::sleep_for(                   // tidy: real time: what is tested is the clock of an engine
      std::chrono::milliseconds(5));  // tidy: real time: a deadline of the engine's wait
  return sum + ringo::spawn([] { return 50; }).join();
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  if (argc != 2) return 1;
  if (!ringo::test::restrict_process(argv[1])) {
    std::puts("cannot be refused here");
    return 77;
  }
  try {
    std::printf("worked %d\n", ringo::run(use_it));
  } catch (const ringo::panic_error& panic) {
    std::printf("panic: %s\n", panic.what());
    return 3;
  }
}
