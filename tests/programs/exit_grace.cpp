// Ends a run while a fiber is inside blocking(): one that comes back long after the grace period
// ("abandon"), or one that comes back in time ("in_time"). Or while one computes, which then wants
// to read, in the next run ("late_read").

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ringo/blocking.hpp>
#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/net/from_fd.hpp>
#include <ringo/net/tcp.hpp>
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

/// A descriptor of a stream whose other end, of another process, sends a byte after `delay`; and
/// nothing if that is 0.
int told_after(std::chrono::microseconds delay) {
  std::array<int, 2> ends{-1, -1};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ends[0] = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto* const to = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener, to, size) != 0 || ::listen(listener, 1) != 0 ||
      ::getsockname(listener, to, &size) != 0 || ::connect(ends[0], to, size) != 0) {
    std::perror("told_after");
    std::exit(1);
  }
  ends[1] = ::accept(listener, nullptr, nullptr);
  if (delay.count() != 0 && ::fork() == 0) {
    ::usleep(static_cast<useconds_t>(delay.count()));  // tidy: real time: another process
    ::_exit(::send(ends[1], "x", 1, 0) == 1 ? 0 : 1);
  }
  return ends[0];
}

/// The only thing that can wake the second run's main fiber is its connection. Whoever counts the
/// abandoned fiber's wait, or its end, takes that for a deadlock, or never sees one again.
void late_read() {
  const int mute = told_after(0us);
  const int talks = told_after(1s);
  ringo::options options;
  options.exit_grace = 50ms;
  ringo::run(options, [&] {
    ringo::go({.name = "computes"}, [conn = ringo::net::from_fd(mute).value()] {
      inside = true;
      while (!may_return) {
      }
      back = true;
      std::array<std::byte, 1> room{};
      static_cast<void>(conn.read(room));
      std::puts("touched");
    });
    while (!inside) ringo::yield();
  });
  ringo::run([&] {
    may_return = true;
    while (!back) ringo::yield();
    ringo::sleep_for(50ms);  // tidy: real time: it wants to read by then
    std::array<std::byte, 1> room{};
    std::printf("read %zu\n", ringo::net::from_fd(talks).value().read(room).value_or(0));
    std::puts("and now for ever");
    static_cast<void>(ringo::make_chan<int>().recv());
  });
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
  if (std::string_view(argv[1]) == "late_read") late_read();
}
