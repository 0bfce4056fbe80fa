// Forks in the way that the first argument names, and prints how the child ended.

#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

#include <ringo/blocking.hpp>
#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/net/tcp.hpp>
#include <ringo/runtime.hpp>
#include <ringo/task.hpp>

namespace {

/// Runs `child` in a forked process and prints its exit status.
template <typename Child>
void fork_and(Child child) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    child();
    ::_exit(0);
  }
  int status = 0;
  ringo::blocking([&] { ::waitpid(pid, &status, 0); });
  std::printf("child exited with %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

/// The child lets go of a connection that the parent's engine knows, as an exit() would that
/// destroys static objects.
void drop_connection() {
  const auto listener = ringo::net::listen(ringo::net::tcp, "127.0.0.1:0").value();
  auto dialler =
      ringo::spawn([&] { return ringo::net::dial(ringo::net::tcp, listener.local()).value(); });
  ringo::net::tcp_conn theirs = listener.accept().value();
  ringo::net::tcp_conn ours = dialler.join();
  const auto next = [&] {
    std::array<std::byte, 1> room{};
    return ours.read(room).value_or(0);
  };
  const auto read_one = [&] {
    auto reader = ringo::spawn(next);
    for (int i = 0; i < 1'000; ++i) ringo::yield();
    static_cast<void>(theirs.write(std::array<std::byte, 1>{}));
    return reader.join();
  };
  std::printf("parent read %zu\n", read_one());
  fork_and([&] { ours = {}; });
  std::printf("parent read %zu\n", read_one());
}

void in_run(std::string_view mode) {
  if (mode == "drop") return drop_connection();
  auto ch = ringo::make_chan<int>(1);
  for (int i = 0; i < 4; ++i) {
    ringo::go([ch]() mutable {
      for (;;) static_cast<void>(ch.recv()), ringo::yield();
    });
  }
  if (mode == "go") {
    fork_and([] {
      ringo::go([] {});
      for (;;) ringo::yield();
    });
  } else if (mode == "yield") {
    fork_and([] {
      for (;;) ringo::yield();
    });
  } else if (mode == "block") {
    fork_and([] { static_cast<void>(ringo::make_chan<int>().recv()); });
  } else if (mode == "thread") {
    std::thread([] { fork_and([] { ringo::go([] {}); }); }).join();
  } else if (mode == "run") {
    std::thread([] { fork_and([] { ringo::run([] {}); }); }).join();
  } else if (mode == "no_use") {
    fork_and([] { ::_exit(42); });
  } else if (mode == "exec") {
    fork_and([] {
      ::execl("/bin/sh", "sh", "-c", "exit 43", static_cast<char*>(nullptr));
      ::_exit(1);
    });
  }
  // The parent goes on as before.
  std::printf("parent %d\n", ringo::spawn([] { return 7; }).join());
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  if (argc != 2) return 1;
  const std::string_view mode = argv[1];
  if (mode != "before_run") {
    ringo::run([&] { in_run(mode); });
    return 0;
  }
  // No runtime is alive at the time of the fork: the child may have one of its own.
  ringo::run([] { ringo::spawn([] {}).join(); });
  fork_and([] { ::_exit(ringo::run([] { return ringo::spawn([] { return 44; }).join(); })); });
  std::printf("parent %d\n", ringo::run([] { return 7; }));
}
