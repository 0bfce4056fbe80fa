// Lets an exception leave a fiber, in the way that the first argument names.

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string_view>
#include <thread>

#include <ringo/blocking.hpp>
#include <ringo/chan.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/sync/wait_group.hpp>
#include <ringo/task.hpp>

using namespace std::chrono_literals;

struct announcer {
  const char* text;
  explicit announcer(const char* what) : text(what) {}
  announcer(const announcer&) = delete;
  announcer& operator=(const announcer&) = delete;
  ~announcer() { std::puts(text); }
};

// External, so that -rdynamic would name them; called through a volatile pointer, so that each has
// a frame.
[[gnu::noinline]] void throw_deep() {
  const announcer guard("inner destructor");
  throw std::runtime_error("boom");
}
[[gnu::noinline]] void throw_from_middle() {
  void (*volatile deep)() = throw_deep;
  deep();
  std::puts("unreachable");
}

struct strange {};

namespace {

void nested() {
  try {
    throw std::runtime_error("cause");
  } catch (...) {
    std::throw_with_nested(std::logic_error("effect"));
  }
}

/// Its report takes long, and main may end before it is through.
std::atomic<bool> reporting{false};
struct slow_to_tell : std::exception {
  const char* what() const noexcept override {
    reporting = true;
    std::this_thread::sleep_for(200ms);  // tidy: real time: main should be at its end by then
    return "slow to tell";
  }
};

/// Its report takes long, and others come meanwhile.
void throw_at_once() {
  for (int i = 0; i < 8; ++i) {
    ringo::go([] {
      reporting = true;
      throw slow_to_tell();
    });
  }
}

void chain() {
  try {
    try {
      throw strange{};
    } catch (...) {
      std::throw_with_nested(std::runtime_error("second"));
    }
  } catch (...) {
    std::throw_with_nested(std::logic_error("third"));
  }
}

/// No handler around go() is one for what the fiber throws.
void caught_by_nobody() {
  try {
    ringo::go(throw_from_middle);
    for (;;) ringo::yield();
  } catch (...) {
    std::puts("caught");
  }
}

void body(std::string_view mode) {
  const announcer outer("main's destructor");
  auto never = ringo::make_chan<int>();
  ringo::go([never]() mutable {
    const announcer guard("bystander's destructor");
    static_cast<void>(never.recv());
  });
  if (mode == "go") {
    ringo::go({.name = "thrower"}, [] {
      const announcer guard("outer destructor");
      throw_from_middle();
    });
  } else if (mode == "parked") {
    ringo::go({.name = "thrower"}, [] {
      for (int i = 0; i < 50; ++i) ringo::yield();
      throw_from_middle();
    });
  } else if (mode == "blocking") {
    ringo::go({.name = "thrower"}, [] { ringo::blocking(throw_from_middle); });
  } else if (mode == "strange") {
    ringo::go([] { throw strange{}; });
  } else if (mode == "nested") {
    ringo::go(nested);
  } else if (mode == "panic") {
    ringo::go([] { throw ringo::panic_error("broken contract"); });
  } else if (mode == "wait_group") {
    ringo::wait_group group;
    group.go([] { throw std::runtime_error("boom"); });
    group.wait();
    std::puts("unreachable");
  } else if (mode == "detached") {
    ringo::spawn([] { throw std::runtime_error("nobody asks"); }).detach();
  } else if (mode == "dropped_after") {
    {
      std::atomic<bool> running{false};
      auto task = ringo::spawn([&running] {
        running = true;
        throw std::runtime_error("nobody asks");
      });
      while (!running) ringo::yield();
      while (ringo::num_fibers() > 2) ringo::yield();
    }
    std::puts("unreachable");
  } else if (mode == "chain") {
    ringo::go(chain);
  } else if (mode == "caught_by_nobody") {
    caught_by_nobody();
  } else if (mode == "main_ends_meanwhile") {
    ringo::go([] { throw slow_to_tell(); });
    while (!reporting) ringo::yield();
    return;
  } else if (mode == "many") {
    throw_at_once();
  } else if (mode == "main_ends") {
    // The fiber throws just as main returns: the report wins, or the run ends well.
    ringo::go([] { throw std::runtime_error("boom"); });
    ringo::yield();
    return;
  }
  static_cast<void>(never.recv());
  std::puts("unreachable");
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  if (argc != 2) return 1;
  ringo::options options;
  options.exit_grace = std::string_view(argv[1]) == "main_ends_meanwhile" ? 0ms : 1'000ms;
  ringo::run(options, [&] { body(argv[1]); });
  return 0;
}
