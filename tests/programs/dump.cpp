// Fibers that wait, each for something else, and a SIGQUIT. The first argument says what is
// special.

#include <chrono>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <string_view>

#include <unistd.h>

#include <ringo/blocking.hpp>
#include <ringo/chan.hpp>
#include <ringo/context.hpp>
#include <ringo/debug.hpp>
#include <ringo/detail/inspect.hpp>
#include <ringo/go.hpp>
#include <ringo/os/signal.hpp>
#include <ringo/runtime.hpp>
#include <ringo/select.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/thread_pin.hpp>
#include <ringo/time/after.hpp>

namespace {

using namespace std::chrono_literals;

ringo::chan<int> nobody_sends;
ringo::mutex held;

[[gnu::noinline]] void wait_deep_down(int depth) {
  if (depth > 0) {
    wait_deep_down(depth - 1);
  } else {
    (void)nobody_sends.recv();
  }
  asm volatile("" ::: "memory");  // no tail call
}

void start_fibers() {
  nobody_sends = ringo::make_chan<int>();
  held.lock();
  ringo::go({.name = "receiver"}, [] { wait_deep_down(3); });
  ringo::go({.name = "locker"}, [] { held.lock(); });
  ringo::go({.name = "selector"}, [] { ringo::select(); });
  ringo::go({.name = "pinned"}, [] {
    const ringo::thread_pin pin;
    (void)nobody_sends.recv();
  });
  for (int i = 0; i < 20; ++i) ringo::go([] { (void)nobody_sends.recv(); });
  while (ringo::detail::parked_count() < 24) ringo::yield();
}

/// Not a deadlock: something will happen.
void wait_for_long() {
  (void)ringo::after(1h).recv();
}

void quit() {
  ::kill(::getpid(), SIGQUIT);
  wait_for_long();
}

void subscribed() {
  const auto signals = ringo::make_chan<int>(1);
  ringo::os::signal::notify(signals, {SIGQUIT});
  ::kill(::getpid(), SIGQUIT);
  std::printf("received %d\n", signals.recv().value_or(0));
  std::fflush(stdout);
  ringo::os::signal::stop(signals);
  quit();
}

void overflow(int depth) {
  volatile char room[4096];
  room[0] = static_cast<char>(depth);
  if (depth < 1'000'000) overflow(depth + 1);
  room[1] = room[0];
}

void run(std::string_view mode) {
  start_fibers();
  if (mode == "quit") quit();
  if (mode == "subscribed") subscribed();
  if (mode == "throw") throw std::runtime_error("thrown");
  if (mode == "throw_in_fiber") {
    ringo::go({.name = "thrower"}, [] { throw std::runtime_error("thrown"); });
    wait_for_long();
  }
  if (mode == "overflow") {
    ringo::go({.name = "deep"}, [] { overflow(0); });
    wait_for_long();
  }
  if (mode == "deadlock") ringo::select();
  if (mode == "self") {
    if (ringo::debug::dump(1)) std::puts("failed");
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "quit";
  if (mode == "ignored") std::signal(SIGQUIT, SIG_IGN);
  ringo::run([mode] { run(mode == "ignored" ? "quit" : mode); });
  if (mode == "after") {
    ::raise(SIGQUIT);
  }
}
