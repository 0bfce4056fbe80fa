// Three runs: the first leaves fibers of many kinds behind, the second one that never began, the
// third none.

#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>

#include <ringo/blocking.hpp>
#include <ringo/chan.hpp>
#include <ringo/context.hpp>
#include <ringo/detail/inspect.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/task.hpp>

namespace {

using namespace std::chrono_literals;

void many() {
  static ringo::mutex lock;
  lock.lock();
  auto ch = ringo::make_chan<int>();
  const auto tree = ringo::with_cancel(ringo::background());
  ringo::go({.name = "receiver"}, [ch]() mutable { static_cast<void>(ch.recv()); });
  ringo::go({.name = "patient"}, [ch, ctx = tree.ctx] { static_cast<void>(ch.recv(ctx)); });
  ringo::go({.name = "locker"}, [] { lock.lock(); });
  ringo::go({.name = "sleeper"}, [] { ringo::sleep_for(1h); });  // tidy: real time: never ends
  ringo::go([] { ringo::sleep_for(1h); });                       // tidy: real time: never ends
  while (ringo::detail::parked_count() != 5) ringo::yield();
  // This one has ended when the run does.
  ringo::spawn({.name = "joined"}, [] {}).join();
}

/// Its thread is given up, and named as such, once.
void stuck() {
  static std::atomic<bool> inside{false};
  ringo::go({.name = "stuck"}, [] {
    ringo::blocking([] {
      inside = true;
      for (;;) std::this_thread::yield();
    });
  });
  // Somebody else must want to run when the call begins, or it would keep the only worker.
  ringo::spawn([] {
    while (!inside) ringo::yield();
  }).join();
}

}  // namespace

int main() {
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  ringo::options options;
  options.exit_grace = 50ms;
  ringo::run(options, many);
  std::puts("second");
  ringo::run({.workers = 1}, [] { ringo::go({.name = "unborn"}, [] {}); });
  std::puts("third");
  ringo::run([] { ringo::spawn([] {}).join(); });
  std::puts("fourth");
  ringo::run(options, stuck);
  std::puts("fifth");
  ringo::run([] {});
}
