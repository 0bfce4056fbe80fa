// Calls goexit where it does not end well, or in the main fiber; the first argument says which.

#include <cstdio>
#include <stdexcept>
#include <string_view>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>

namespace {

struct announcer {
  const char* text;
  explicit announcer(const char* what) : text(what) {}
  announcer(const announcer&) = delete;
  announcer& operator=(const announcer&) = delete;
  ~announcer() { std::puts(text); }
};

void swallowed() {
  try {
    ringo::goexit();
  } catch (...) {
  }
  std::puts("unreachable");
}

void replaced() {
  try {
    ringo::goexit();
  } catch (...) {
    throw std::runtime_error("instead");
  }
}

struct exits {
  exits() = default;
  exits(const exits&) = delete;
  exits& operator=(const exits&) = delete;
  ~exits() {
    ringo::goexit();  // NOLINT(bugprone-exception-escape): the misuse under test
  }
};

void in_destructor(std::string_view mode) {
  const exits last;
  if (mode == "exception_in_flight") throw std::runtime_error("in flight");
  if (mode == "goexit_in_flight") ringo::goexit();
}

void body(std::string_view mode) {
  auto never = ringo::make_chan<int>();
  if (mode == "swallowed" || mode == "replaced") {
    ringo::go(mode == "swallowed" ? swallowed : replaced);
    static_cast<void>(never.recv());
  }
  if (mode == "exception_in_flight" || mode == "goexit_in_flight" || mode == "nothing_in_flight") {
    ringo::go([mode] {
      try {
        in_destructor(mode);
      } catch (...) {
        std::puts("unreachable");
        throw;
      }
    });
    static_cast<void>(never.recv());
  }
  auto released = ringo::make_chan<void>();
  const announcer guard("main's destructor");
  if (mode == "main") {
    ringo::go([released]() mutable {
      released.recv();
      for (int i = 0; i < 100; ++i) ringo::yield();
      std::puts("helper went on");
    });
    ringo::go([released]() mutable { released.send(); });
  } else if (mode == "main_blocked") {
    ringo::go([never]() mutable { static_cast<void>(never.recv()); });
  } else {
    ringo::go([released]() mutable {
      released.recv();
      throw std::runtime_error("from helper");
    });
    ringo::go([released]() mutable { released.send(); });
  }
  ringo::goexit();
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  if (argc != 2) return 1;
  ringo::run([&] {
    body(argv[1]);
    std::puts("unreachable");
  });
  std::puts("unreachable");
}
