// Two fibers of one worker and a plain int: for ThreadSanitizer, which must report the race
// although one thread does all of it, and must not report the synchronized kinds. The first
// argument says which.

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/task.hpp>

namespace {

int shared = 0;

/// Both fibers have started, and have stacks of their own, before either touches the int.
template <typename First, typename Second>
void together(First first, Second second) {
  auto start = ringo::make_chan<void>();
  auto end = ringo::make_chan<void>();
  auto ready = ringo::make_chan<void>(2);
  auto touched = ringo::make_chan<void>(2);
  const auto body = [=](auto access) {
    return [=]() mutable {
      ready.send();
      start.recv();
      access();
      touched.send();
      end.recv();
    };
  };
  auto a = ringo::spawn(body(first));
  auto b = ringo::spawn(body(second));
  ready.recv();
  ready.recv();
  start.close();
  touched.recv();
  touched.recv();
  end.close();
  a.join();
  b.join();
}

void increment() {
  ++shared;
}

void race() {
  together(increment, increment);
}

void race_of_reader() {
  together(increment, [] { std::printf("read %d\n", shared); });
}

void by_channel() {
  auto baton = ringo::make_chan<void>();
  together(
      [=]() mutable {
        ++shared;
        baton.send();
      },
      [=]() mutable {
        baton.recv();
        ++shared;
      });
}

void by_buffered_channel() {
  auto baton = ringo::make_chan<int>(1);
  together(
      [=]() mutable {
        ++shared;
        baton.send(1);
      },
      [=]() mutable {
        static_cast<void>(baton.recv());
        ++shared;
      });
}

void by_mutex() {
  static ringo::mutex lock;
  const auto locked = [] {
    lock.lock();
    ++shared;
    lock.unlock();
  };
  together(locked, locked);
}

void by_join() {
  ++shared;
  auto task = ringo::spawn(increment);
  task.join();
  ++shared;
}

struct mode {
  const char* name;
  void (*run)();
};
constexpr mode modes[] = {
    {"race", race},
    {"race_of_reader", race_of_reader},
    {"channel", by_channel},
    {"buffered_channel", by_buffered_channel},
    {"mutex", by_mutex},
    {"join", by_join},
};

}  // namespace

int main(int argc, char** argv) {
  for (const mode& one : modes) {
    if (argc != 2 || std::string_view(argv[1]) != one.name) continue;
    ringo::run(one.run);
    std::puts("through");
    return EXIT_SUCCESS;
  }
  return EXIT_FAILURE;
}
