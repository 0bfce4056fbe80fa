// Ends fatally in the way that the first argument names, from within a handler for everything: none
// of it may be caught, and no destructor may run.

#include <atomic>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <thread>

#include <ringo/blocking.hpp>
#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/select.hpp>
#include <ringo/sync/mutex.hpp>

namespace {

struct announcer {
  announcer() = default;
  announcer(const announcer&) = delete;
  announcer& operator=(const announcer&) = delete;
  ~announcer() { std::puts("destructor ran"); }
};

void unlock() {
  ringo::mutex().unlock();
}

void deadlock() {
  ringo::select();
}

// NOLINTNEXTLINE(misc-no-recursion): depth is the point
[[gnu::noinline]] int deep(int depth) {
  if (depth < 0) return 0;  // never; the compiler must not know
  char room[512];
  std::memset(room, depth & 0x7f, sizeof room);
  asm volatile("" ::"r"(room) : "memory");
  const int below = deep(depth + 1);
  return below + room[depth % 512];
}

void overflow() {
  (void)deep(1);
}

/// Each call waits for one that is never made, and there are always others that want to run.
void threads() {
  for (int i = 0; i < 8; ++i) {
    ringo::go([] {
      ringo::blocking([] {
        for (;;) std::this_thread::yield();
      });
    });
  }
  for (;;) ringo::yield();
}

struct mode {
  const char* name;
  void (*run)();
};
constexpr mode modes[] = {
    {"unlock", unlock}, {"deadlock", deadlock}, {"overflow", overflow}, {"threads", threads}};

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  if (argc != 2) return 1;
  for (const mode& one : modes) {
    if (std::string_view(argv[1]) != one.name) continue;
    ringo::options options;
    options.workers = 2;
    options.max_threads = 4;
    ringo::run(options, [&] {
      const announcer of_main;
      ringo::go([&] {
        const announcer witness;
        try {
          one.run();
        } catch (...) {
          std::puts("caught");
        }
      });
      ringo::select();
    });
  }
  return 1;
}
