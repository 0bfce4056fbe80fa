// Fibers in known places, for a debugger to look at. With `core` the process aborts when all are
// there; else it calls all_are_there(), where a breakpoint stops it, and ends.

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <string_view>

#include <ringo/chan.hpp>
#include <ringo/detail/inspect.hpp>
#include <ringo/go.hpp>
#include <ringo/net.hpp>
#include <ringo/runtime.hpp>
#include <ringo/select.hpp>
#include <ringo/sync/mutex.hpp>

#include "support/tcp_pair.hpp"

extern "C" {
[[gnu::noinline]] void all_are_there() {
  asm volatile("" ::: "memory");
}
}

namespace {

using namespace std::chrono_literals;

ringo::chan<int> nobody_sends;
ringo::mutex held;
std::optional<ringo::test::tcp_pair> conns;  // outlives the fiber that reads from it
std::atomic<bool> spinning{false};
std::atomic<bool> over{false};

[[gnu::noinline]] void wait_deep_down(int depth) {
  if (depth > 0) {
    wait_deep_down(depth - 1);
  } else {
    (void)nobody_sends.recv();
  }
  asm volatile("" ::: "memory");  // no tail call
}

[[gnu::noinline]] void receive() {
  wait_deep_down(3);
  asm volatile("" ::: "memory");
}

[[gnu::noinline]] void lock_what_is_held() {
  held.lock();
  asm volatile("" ::: "memory");
}

[[gnu::noinline]] void choose() {
  ringo::select(ringo::recv(nobody_sends), ringo::recv(nobody_sends));
  asm volatile("" ::: "memory");
}

[[gnu::noinline]] void sleep_long() {
  ringo::sleep_for(1h);  // tidy: real time: it is never over
  asm volatile("" ::: "memory");
}

[[gnu::noinline]] void read_nothing(const ringo::net::tcp_conn& from) {
  std::array<std::byte, 1> room{};
  (void)from.read(room);
  asm volatile("" ::: "memory");
}

[[gnu::noinline]] void compute() {
  spinning = true;
  while (!over) asm volatile("" ::: "memory");
}

[[gnu::noinline]] void run(bool to_core) {
  nobody_sends = ringo::make_chan<int>();
  held.lock();
  conns.emplace();
  ringo::go({.name = "receiver"}, receive);
  ringo::go({.name = "locker"}, lock_what_is_held);
  ringo::go({.name = "selector"}, choose);
  ringo::go({.name = "sleeper"}, sleep_long);
  ringo::go({.name = "reader"}, [] { read_nothing(conns->accepted); });
  while (ringo::detail::parked_count() < 5) ringo::yield();
  ringo::go({.name = "computer"}, compute);
  while (!spinning) ringo::yield();
  if (to_core) std::abort();
  all_are_there();
  over = true;
}

}  // namespace

int main(int argc, char** argv) {
  const bool to_core = argc > 1 && std::string_view(argv[1]) == "core";
  ringo::run({.workers = 2}, [to_core] { run(to_core); });
}
