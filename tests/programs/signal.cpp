// Sends itself the signal that the second argument names, in the way that the first one does.

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ringo/chan.hpp>
#include <ringo/context.hpp>
#include <ringo/go.hpp>
#include <ringo/os/signal.hpp>
#include <ringo/runtime.hpp>
#include <ringo/select.hpp>
#include <ringo/sync/wait_group.hpp>
#include <ringo/time/after.hpp>

namespace {

using namespace std::chrono_literals;
namespace os_signal = ringo::os::signal;

int number = SIGINT;

void send() {
  ::kill(::getpid(), number);
}

/// Goes on until a signal ends the process.
[[noreturn]] void until_killed() {
  send();
  for (;;) ringo::yield();
}

ringo::chan<int> subscribed() {
  auto ch = ringo::make_chan<int>(1);
  os_signal::notify(ch, {number});
  return ch;
}

void receive(const ringo::chan<int>& ch) {
  if (ch.recv() == number) std::puts("received");
}

void by_default() {
  ringo::go([] { ringo::select(); });
  until_killed();
}

void stopped() {
  const auto ch = subscribed();
  send();
  receive(ch);
  os_signal::stop(ch);
  until_killed();
}

void while_subscribed() {
  const auto ch = subscribed();
  send();
  receive(ch);
  std::puts("through");
}

void atomic_stop() {
  constexpr int tries_max = 10;
  constexpr auto patience = 10s;
  for (int i = 0; i < tries_max; ++i) {
    const auto ch = subscribed();
    ringo::wait_group group;
    if (i % 2 == 0) send();
    group.go([=] { os_signal::stop(ch); });
    if (i % 2 == 1) send();
    if (ringo::select(ringo::recv(ch, [](auto) { std::puts("received"); }),
                      ringo::recv(ringo::after(patience))) == 1) {
      std::printf("lost in try %d\n", i);
    }
    group.wait();
  }
}

void nohup() {
  if (os_signal::ignored(number)) std::puts("ignored");
  send();
  for (int i = 0; i < 1'000; ++i) ringo::yield();
  const auto ch = subscribed();
  if (os_signal::ignored(number)) return;
  send();
  receive(ch);
  os_signal::stop(ch);
  if (!os_signal::ignored(number)) return;
  send();
  std::puts("through");
}

void send_in_a_while() {
  number = SIGALRM;
  itimerval timer{};
  timer.it_value.tv_usec = 100'000;  // a false alarm would come at once
  ::setitimer(ITIMER_REAL, &timer, nullptr);
}

void wait() {
  send_in_a_while();
  receive(subscribed());
  std::puts("through");
}

void wait_context() {
  send_in_a_while();
  const auto made = os_signal::notify_context(ringo::background(), {number});
  made.ctx.done().recv();
  std::puts("through");
}

void deadlock() {
  const auto ch = subscribed();
  os_signal::stop(ch);
  static_cast<void>(ch.recv());
}

void deadlock_reset() {
  const auto ch = subscribed();
  const auto made = os_signal::notify_context(ringo::background(), {number});
  os_signal::reset();
  made.ctx.done().recv();
}

/// Everybody sleeps, until the signal thread ends the context and so wakes the fiber that stops.
void deadlock_later() {
  send_in_a_while();
  const auto made = os_signal::notify_context(ringo::background(), {number});
  ringo::go([=] {
    made.ctx.done().recv();
    made.cancel();
  });
  ringo::select();
}

void closed() {
  auto ch = subscribed();
  ch.close();
  send();
  ringo::select();
}

template <typename Child>
int status_of(Child child) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    child();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return status;
}

void fork_child() {
  const auto ch = subscribed();
  const int status = status_of([] {
    send();
    ::_exit(1);
  });
  if (WIFSIGNALED(status) && WTERMSIG(status) == number) std::puts("child as expected");
  send();
  if (ch.recv() == number) std::puts("parent received");
}

void fork_subscribes() {
  const auto ch = subscribed();
  const int status = status_of([] {
    const auto own = subscribed();
    send();
    int got = *own.recv();
    ringo::run([&] {
      send();
      got += *own.recv();
    });
    os_signal::stop(own);
    ::_exit(got);
  });
  if (WIFEXITED(status) && WEXITSTATUS(status) == 2 * number) std::puts("child as expected");
  send();
  if (ch.recv() == number) std::puts("parent received");
}

struct mode {
  const char* name;
  void (*run)();
};
constexpr mode modes[] = {{"default", by_default},
                          {"stopped", stopped},
                          {"subscribed", while_subscribed},
                          {"atomic_stop", atomic_stop},
                          {"nohup", nohup},
                          {"wait", wait},
                          {"wait_context", wait_context},
                          {"deadlock", deadlock},
                          {"deadlock_reset", deadlock_reset},
                          {"deadlock_later", deadlock_later},
                          {"fork_in_run", fork_child},
                          {"closed", closed}};

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  if (argc != 3) return 1;
  const std::string_view wanted = argv[1];
  number = std::atoi(argv[2]);
  if (wanted == "fork") return fork_child(), 0;
  if (wanted == "fork_subscribes") return fork_subscribes(), 0;
  for (const mode& one : modes) {
    if (wanted == one.name) return ringo::run(one.run), 0;
  }
  return 1;
}
