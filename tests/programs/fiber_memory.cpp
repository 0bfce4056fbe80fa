// Parks many fibers, lets them end, and prints how much memory the process has in each state. With
// a third argument they stay parked for a while first.

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <unistd.h>

#include <ringo/chan.hpp>
#include <ringo/detail/inspect.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>

namespace {

std::size_t resident_kib() {
  std::size_t size = 0;
  std::size_t resident = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr || std::fscanf(file, "%zu %zu", &size, &resident) != 2) std::abort();
  std::fclose(file);
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) / 1024;
}

std::size_t mappings() {
  std::size_t lines = 0;
  std::FILE* file = std::fopen("/proc/self/maps", "re");
  if (file == nullptr) std::abort();
  for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) lines += c == '\n' ? 1 : 0;
  std::fclose(file);
  return lines;
}

/// Makes `pages` pages of the fiber's stack resident.
[[gnu::noinline]] void touch(std::size_t pages) {
  volatile char frame[4096];
  frame[0] = 1;
  if (pages > 1) touch(pages - 1);
  frame[1] = frame[0];
}

void park_many(std::size_t fibers, std::size_t pages, bool for_long) {
  auto gate = ringo::make_chan<void>();
  auto ended = ringo::make_chan<void>(1024);
  std::atomic<std::size_t> started{0};
  for (std::size_t i = 0; i < fibers; ++i) {
    ringo::go([gate, ended, pages, &started]() mutable {
      if (pages > 1) touch(pages - 1);
      ++started;
      gate.recv();
      ended.send();
    });
  }
  while (started < fibers) ringo::yield();
  while (ringo::detail::parked_count() < fibers) ringo::yield();
  std::printf("parked_kib %zu\nparked_mappings %zu\nunguarded %zu\n",
              resident_kib(),
              mappings(),
              ringo::stats().unguarded_stacks);
  if (for_long) {
    constexpr std::chrono::milliseconds nap(600);  // the second look comes a second after the first
    for (int i = 0; i < 5; ++i) ringo::sleep_for(nap);  // tidy: real time: see above
    std::printf("parked_long_kib %zu\n", resident_kib());
  }
  gate.close();
  for (std::size_t i = 0; i < fibers; ++i) ended.recv();
  while (ringo::num_fibers() > 1) ringo::yield();
  std::printf("ended_kib %zu\n", resident_kib());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return EXIT_FAILURE;
  const std::size_t fibers = std::strtoull(argv[1], nullptr, 10);
  const std::size_t pages = std::strtoull(argv[2], nullptr, 10);
  ringo::run([&] {
    std::printf("start_kib %zu\n", resident_kib());
    park_many(fibers, pages, argc > 3);
    std::size_t idle = resident_kib();
    for (int i = 0; i < 20; ++i) {
      constexpr std::chrono::milliseconds nap(50);
      ringo::sleep_for(nap);  // tidy: real time: idle workers give memory back
      idle = resident_kib();
    }
    std::printf("idle_kib %zu\n", idle);
  });
}
