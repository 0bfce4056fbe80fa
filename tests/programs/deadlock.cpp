// Blocks every fiber for ever, or for as long as something outside may still wake one. The first
// argument says how. Where the end is no deadlock, the program says "through" and ends well.

#include <atomic>
#include <chrono>
#include <cstdio>
#include <string_view>
#include <thread>

#include <ringo/blocking.hpp>
#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/select.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/sync/wait_group.hpp>
#include <ringo/task.hpp>
#include <ringo/thread_pin.hpp>
#include <ringo/time/after.hpp>

namespace {

using namespace std::chrono_literals;

constexpr auto a_while = 300ms;  // a false alarm would come at once

struct announcer {
  announcer() = default;
  announcer(const announcer&) = delete;
  announcer& operator=(const announcer&) = delete;
  ~announcer() { std::puts("destructor ran"); }
};

void on_mutex() {
  static ringo::mutex lock;
  lock.lock();
  lock.lock();
}

void on_wait_group() {
  static ringo::wait_group group;
  group.add(1);
  group.wait();
}

void on_join() {
  ringo::spawn([] { ringo::select(); }).join();
}

void pinned() {
  const ringo::thread_pin pin;
  ringo::select();
}

void pinned_pair() {
  ringo::go([] {
    const ringo::thread_pin pin;
    ringo::select();
  });
  pinned();
}

void named() {
  auto ch = ringo::make_chan<int>();
  ringo::go({.name = "consumer"}, [ch]() mutable { static_cast<void>(ch.recv()); });
  ringo::go({.name = "sleepless"}, [] { ringo::select(); });
  on_wait_group();
}

void after_work() {
  for (int i = 0; i < 1'000; ++i) ringo::spawn([] { ringo::yield(); }).join();
  ringo::sleep_for(2ms);  // tidy: real time: a timer that has fired holds nothing back any more
  ringo::blocking([] {});
  std::thread([] {}).join();
  ringo::select();
}

void sleeping() {
  auto ch = ringo::make_chan<int>();
  ringo::go([ch]() mutable {
    ringo::sleep_for(a_while);  // tidy: real time: the sleep is what holds the report back
    ch.send(1);
  });
  static_cast<void>(ch.recv());
}

void timer() {
  auto never = ringo::make_chan<int>();
  ringo::select(ringo::recv(never), ringo::recv(ringo::after(a_while)));
}

void blocking_call() {
  auto ch = ringo::make_chan<int>();
  ringo::go([ch]() mutable {
    ringo::blocking([] { std::this_thread::sleep_for(a_while); });  // tidy: real time: a slow call
    ch.send(1);
  });
  static_cast<void>(ch.recv());
}

void computing() {
  auto ch = ringo::make_chan<int>();
  ringo::go([ch]() mutable {
    const auto end = std::chrono::steady_clock::now() + a_while;
    while (std::chrono::steady_clock::now() < end) {
    }
    ch.send(1);
  });
  static_cast<void>(ch.recv());
}

void foreign_thread() {
  auto ch = ringo::make_chan<int>();
  std::thread thread([ch]() mutable {
    std::this_thread::sleep_for(a_while);  // tidy: real time: it may wake a fiber until it ends
    ch.send(1);
  });
  static_cast<void>(ch.recv());
  thread.join();
}

void thread_started_before(const ringo::chan<int>& from_thread) {
  static_cast<void>(ringo::chan<int>(from_thread).recv());
}

/// Threads wake fibers again and again and end at once: the report must not come in between.
void short_threads() {
  auto ch = ringo::make_chan<int>();
  for (int i = 0; i < 300; ++i) {
    std::thread thread([ch]() mutable { ch.send(1); });
    thread.detach();
    static_cast<void>(ch.recv());
  }
}

/// Two fibers wait for each other for ever, and others go on.
void partial() {
  auto here = ringo::make_chan<int>();
  auto there = ringo::make_chan<int>();
  ringo::go([=]() mutable { there.send(*here.recv()); });
  ringo::go([=]() mutable { here.send(*there.recv()); });
  const auto end = std::chrono::steady_clock::now() + a_while;
  while (std::chrono::steady_clock::now() < end) {
    ringo::sleep_for(1ms);  // tidy: real time: nothing but a timer is left now and then
  }
}

struct mode {
  const char* name;
  void (*run)();
};
constexpr mode modes[] = {{"mutex", on_mutex},
                          {"wait_group", on_wait_group},
                          {"join", on_join},
                          {"pinned", pinned},
                          {"pinned_pair", pinned_pair},
                          {"named", named},
                          {"after_work", after_work},
                          {"sleeping", sleeping},
                          {"timer", timer},
                          {"blocking", blocking_call},
                          {"computing", computing},
                          {"partial", partial},
                          {"foreign_thread", foreign_thread},
                          {"short_threads", short_threads}};

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  if (argc != 2) return 1;
  const std::string_view wanted = argv[1];
  if (wanted == "thread_before") {
    auto ch = ringo::make_chan<int>();
    std::thread thread([ch]() mutable {
      std::this_thread::sleep_for(a_while);  // tidy: real time: it may wake a fiber until it ends
      ch.send(1);
    });
    ringo::run([&] { thread_started_before(ch); });
    thread.join();
    std::puts("through");
    return 0;
  }
  for (const mode& one : modes) {
    if (wanted != one.name) continue;
    ringo::run([&] {
      const announcer witness;
      one.run();
    });
    std::puts("through");
    return 0;
  }
  return 1;
}
