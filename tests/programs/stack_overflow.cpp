// Uses the stack of a fiber, in the way that the first argument names, more than there is, or
// nearly so.

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <unistd.h>

#include <ringo/blocking.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/task.hpp>

namespace {

/// Recurses until `bytes` of stack lie below `start`; measured, because sanitizers widen frames.
// NOLINTNEXTLINE(misc-no-recursion): depth is the point
[[gnu::noinline]] std::size_t dig(const volatile char* start, std::size_t bytes) {
  volatile char frame[256];
  frame[0] = 1;
  frame[255] = 2;
  if (static_cast<std::size_t>(start - frame) >= bytes) return 1;
  return dig(start, bytes) + static_cast<std::size_t>(frame[0]) +
         static_cast<std::size_t>(frame[255]);
}

[[gnu::noinline]] void use(std::size_t bytes) {
  volatile char here = 0;
  std::printf("sum %zu\n", dig(&here, bytes));
}

constexpr std::size_t kib = 1024;
constexpr std::size_t endless = SIZE_MAX / 2;

struct announcer {
  announcer() = default;
  announcer(const announcer&) = delete;
  announcer& operator=(const announcer&) = delete;
  ~announcer() { std::puts("destructor ran"); }
};

[[gnu::noinline]] void fault() {
  volatile int* volatile nowhere = reinterpret_cast<volatile int*>(8);
  *nowhere = 1;
}

extern "C" void on_fault_of_ours(int /*signal*/, siginfo_t* info, void* /*where*/) {
  std::printf("previous handler: %zu\n", reinterpret_cast<std::size_t>(info->si_addr));
  ::_exit(7);
}
extern "C" void on_fault_simple(int /*signal*/) {
  std::puts("previous simple handler");
  ::_exit(7);
}

void install_before_ringo(bool simple) {
  struct sigaction action = {};
  if (simple) {
    action.sa_handler = on_fault_simple;
  } else {
    action.sa_sigaction = on_fault_of_ours;
    action.sa_flags = SA_SIGINFO;
  }
  action.sa_flags |= SA_ONSTACK;
  ::sigaction(SIGSEGV, &action, nullptr);
}

void in_fiber(std::string_view mode) {
  const announcer witness;
  if (mode == "named") {
    ringo::spawn({.name = "digger", .stack_size = 64 * kib}, [] { use(endless); }).join();
  } else if (mode == "main") {
    use(endless);
  } else if (mode == "nested") {
    ringo::spawn([] { ringo::spawn({.name = "inner"}, [] { use(endless); }).join(); }).join();
  } else if (mode == "after_park") {
    ringo::spawn({.name = "late"}, [] {
      for (int i = 0; i < 10; ++i) ringo::yield();
      use(endless);
    }).join();
  } else if (mode == "in_blocking") {
    ringo::spawn({.name = "blocker"}, [] { ringo::blocking([] { use(endless); }); }).join();
  } else if (mode == "fits") {
    ringo::spawn([] { use(200 * kib); }).join();
    ringo::spawn({.stack_size = 64 * kib}, [] { use(32 * kib); }).join();
    ringo::spawn({.stack_size = 8192 * kib}, [] { use(8000 * kib); }).join();
    use(200 * kib);
    std::puts("fits");
  } else {
    ringo::spawn(fault).join();
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return EXIT_FAILURE;
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  const std::string_view mode = argv[1];
  if (mode == "foreign" || mode == "foreign_simple") install_before_ringo(mode == "foreign_simple");
  ringo::run([&] { in_fiber(mode); });
}
