// Accepts many connections on which nothing happens, each with a fiber that reads from it, and
// prints how much memory the process has before and after; with a second argument, which costs
// memory, how deep the stacks have been.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ringo/detail/inspect.hpp>
#include <ringo/go.hpp>
#include <ringo/net/tcp.hpp>
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

/// The other ends cost no memory of the process.
int connect_bare(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(port);
  if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) {
    std::perror("connect");
    std::exit(EXIT_FAILURE);
  }
  return fd;
}

/// Fills the stack below the caller with a pattern; or tells how much of it others have used since.
[[gnu::noinline]] std::size_t use_of_stack(bool fill) {
  constexpr unsigned char pattern = 0xA5;
  volatile unsigned char room[6000];
  volatile unsigned char* const lowest = room;
  asm volatile("" : : "r"(lowest) : "memory");
  std::size_t untouched = 0;
  for (; untouched < sizeof(room); ++untouched) {
    if (fill) {
      lowest[untouched] = pattern;
    } else if (lowest[untouched] != pattern) {
      break;
    }
  }
  return sizeof(room) - untouched;
}

std::atomic<std::size_t> deepest{0};  // NOLINT: of any fiber, for the report

void read_idly(const ringo::net::tcp_conn& conn) {
  std::byte first;
  static_cast<void>(conn.read({&first, 1}));
}

void measure(const ringo::net::tcp_conn& conn) {
  use_of_stack(true);
  read_idly(conn);
  const std::size_t used = use_of_stack(false);
  std::size_t seen = deepest.load();
  while (used > seen && !deepest.compare_exchange_weak(seen, used)) {
  }
}

void hold_idle(std::size_t connections, bool measures) {
  const auto listener = ringo::net::listen(ringo::net::tcp, "127.0.0.1:0").value();
  std::vector<int> others;
  others.reserve(connections);
  for (std::size_t i = 0; i < connections; ++i) {
    others.push_back(connect_bare(listener.local().port()));
    ringo::go([conn = listener.accept().value(), measures] {
      measures ? measure(conn) : read_idly(conn);
    });
  }
  while (ringo::detail::parked_count() < connections) ringo::yield();
  std::printf("idle_kib %zu\n", resident_kib());
  for (const int fd : others) ::close(fd);
  while (ringo::num_fibers() > 1) ringo::yield();
}

/// As many as there are descriptors for, two for each.
std::size_t at_most(std::size_t connections) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) std::abort();
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) std::abort();
  constexpr std::size_t others = 100;
  return std::min<std::size_t>(connections, (limit.rlim_cur - others) / 2);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return EXIT_FAILURE;
  ringo::run([&] {
    const bool measures = argc > 2;
    hold_idle(10, measures);  // what is allocated once
    deepest = 0;              // the first calls were bound meanwhile, on some fiber's stack
    std::printf("start_kib %zu\n", resident_kib());
    const std::size_t connections = at_most(std::strtoull(argv[1], nullptr, 10));
    std::printf("connections %zu\n", connections);
    hold_idle(connections, measures);
    std::printf("stack_bytes %zu\n", deepest.load());
  });
}
