// The switch itself, without a scheduler: bodies on stacks of their own, which threads resume.

#include "fiber/switch.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fiber/sanitizer.hpp"
#include "support/sizes.hpp"

using namespace ringo::test;
using namespace ringo::detail;

namespace {

constexpr auto switches = sizes::pick<sizes::count>(100'000, 20'000, 10'000);

/// A body that runs until it suspends itself, on the stack of its own and the thread of whoever
/// resumes it. A switch orders nothing for ThreadSanitizer, so this says what is before what.
class body {
 public:
  explicit body(std::function<void(body&)> run) : run_(std::move(run)) {
    REQUIRE(stack_pool::of(stack_size_default).take(&memory_, 1) == 1);
    make_context(own_, memory_);
  }
  body(const body&) = delete;
  body& operator=(const body&) = delete;
  ~body() {
    CHECK(done_);
    release_context(own_);
    stack_pool::of(stack_size_default).give_back(&memory_, 1);
  }

  void resume() {
    REQUIRE_FALSE(done_);
    adopt_thread_stack(thread_);
    starting = this;
    sanitizer_release(&starting);
    departure away{
        &thread_, thread_exception_state(), nothing, nullptr, nullptr, nullptr, &begin, false};
    sanitizer_release(this);
    switch_to(own_, away);
    sanitizer_acquire(this);
  }
  void resume_on_new_thread() {
    std::thread([this] { resume(); }).join();
  }
  void suspend() {
    departure away = leaving(false);
    sanitizer_release(this);
    switch_to(thread_, away);
    sanitizer_acquire(this);
  }
  bool done() const { return done_; }
  const stack& memory() const { return memory_; }

 private:
  static inline body* starting = nullptr;

  std::function<void(body&)> run_;
  stack memory_;
  context own_;
  context thread_;
  bool done_ = false;

  static void nothing(void*, const void*, void*) noexcept {}
  static context& begin(departure& last) noexcept {
    sanitizer_acquire(&starting);
    body& self = *starting;
    sanitizer_acquire(&self);
    self.run_(self);
    self.done_ = true;
    last = self.leaving(true);
    sanitizer_release(&self);
    return self.thread_;
  }
  departure leaving(bool dying) {
    return {&own_, thread_exception_state(), nothing, nullptr, nullptr, nullptr, &begin, dying};
  }
};

/// What the handled exception says; "" for none.
std::string handled() {
  const std::exception_ptr current = std::current_exception();
  if (current == nullptr) return "";
  try {
    std::rethrow_exception(current);
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("switch: a body runs on its own stack from suspension to suspension") {
  std::vector<int> steps;
  body one([&](body& self) {
    int local = 1;
    const auto address = reinterpret_cast<std::uintptr_t>(&local);
    const auto base = reinterpret_cast<std::uintptr_t>(self.memory().base);
#if !RINGO_ASAN  // may keep locals elsewhere
    CHECK(address > base);
    CHECK(address < base + self.memory().size);
#endif
    steps.push_back(local);
    self.suspend();
    steps.push_back(++local);
    self.suspend();
    steps.push_back(++local);
    CHECK(reinterpret_cast<std::uintptr_t>(&local) == address);
    static_cast<void>(base);
  });
  one.resume();
  steps.push_back(10);
  one.resume();
  steps.push_back(20);
  CHECK_FALSE(one.done());
  one.resume();
  CHECK(one.done());
  CHECK(steps == std::vector<int>{1, 10, 2, 20, 3});
}

TEST_CASE("switch: values in registers survive many switches between threads") {
  std::uint64_t inside = 0;
  double product = 1;
  body one([&](body& self) {
    std::uint64_t sum = 0;
    double local = 1;
    for (std::size_t i = 0; i < switches; ++i) {
      sum += i * i;
      local = local * 1.0000001 + static_cast<double>(i % 3);
      self.suspend();
    }
    inside = sum;
    product = local;
  });
  std::uint64_t outside = 0;
  double expected = 1;
  const auto resume_half = [&](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) {
      one.resume();
      outside += i * i;
      expected = expected * 1.0000001 + static_cast<double>(i % 3);
    }
  };
  resume_half(0, switches / 2);
  std::thread([&] { resume_half(switches / 2, switches); }).join();
  one.resume();
  CHECK(inside == outside);
  CHECK(product == expected);
}

TEST_CASE("switch: a handled exception goes along to another thread") {
  std::vector<std::string> seen;
  body one([&](body& self) {
    try {
      throw std::runtime_error("mine");
    } catch (const std::exception& error) {
      self.suspend();
      seen.push_back(handled());
      seen.push_back(error.what());
      try {
        throw;
      } catch (const std::runtime_error& again) {
        self.suspend();
        seen.push_back(again.what());
      }
      self.suspend();
      seen.push_back(handled());
    }
    seen.push_back(handled());
  });
  one.resume();
  CHECK(handled().empty());
  one.resume_on_new_thread();
  one.resume();
  CHECK(seen.size() == 3);
  one.resume_on_new_thread();
  CHECK(seen == std::vector<std::string>{"mine", "mine", "mine", "mine", ""});
}

TEST_CASE("switch: each body has its own handled exceptions") {
  std::vector<std::string> seen;
  const auto run = [&](const std::string& name) {
    return [&seen, name](body& self) {
      try {
        throw std::runtime_error(name + " outer");
      } catch (...) {
        self.suspend();
        try {
          throw std::runtime_error(name + " inner");
        } catch (...) {
          self.suspend();
          seen.push_back(handled());
          self.suspend();
        }
        seen.push_back(handled());
        self.suspend();
        seen.push_back(handled());
      }
      CHECK(std::current_exception() == nullptr);
    };
  };
  body a(run("a"));
  body b(run("b"));
  try {
    throw std::runtime_error("thread");
  } catch (...) {
    while (!a.done() || !b.done()) {
      if (!a.done()) a.resume();
      CHECK(handled() == "thread");
      if (!b.done()) b.resume_on_new_thread();
      CHECK(handled() == "thread");
    }
  }
  CHECK(std::current_exception() == nullptr);
  CHECK(seen ==
        std::vector<std::string>{"a inner", "b inner", "a outer", "b outer", "a outer", "b outer"});
}

namespace {

/// Suspends its body while an exception flies.
struct suspend_on_unwinding {
  body& self;
  std::vector<int>& counts;
  ~suspend_on_unwinding() {
    counts.push_back(std::uncaught_exceptions());
    self.suspend();
    counts.push_back(std::uncaught_exceptions());
    try {
      throw std::logic_error("inner");
    } catch (const std::logic_error&) {
      self.suspend();
      counts.push_back(std::uncaught_exceptions());
    }
  }
};

}  // namespace

TEST_CASE("switch: exceptions in flight go along to another thread") {
  std::vector<int> counts;
  std::string caught;
  body one([&](body& self) {
    try {
      const suspend_on_unwinding guard{self, counts};
      throw std::runtime_error("outer");
    } catch (const std::runtime_error& error) {
      caught = error.what();
    }
    counts.push_back(std::uncaught_exceptions());
  });
  one.resume();
  CHECK(std::uncaught_exceptions() == 0);
  one.resume_on_new_thread();
  CHECK(std::uncaught_exceptions() == 0);
  one.resume();
  CHECK(counts == std::vector<int>{1, 1, 1, 0});
  CHECK(caught == "outer");
}

namespace {

struct counter {
  int& alive;
  explicit counter(int& count) : alive(count) { ++alive; }
  counter(const counter&) = delete;
  counter& operator=(const counter&) = delete;
  ~counter() { --alive; }
};

// NOLINTNEXTLINE(misc-no-recursion): depth is the point
[[gnu::noinline]] int dig(body& self, int depth, int& alive) {
  const counter guard(alive);
  if (depth == 0) {
    self.suspend();
    throw std::runtime_error("bottom");
  }
  return dig(self, depth - 1, alive) + 1;
}

}  // namespace

TEST_CASE("switch: an exception unwinds a deep stack that has changed threads") {
  constexpr int depth = 300;
  int alive = 0;
  std::string caught;
  body one([&](body& self) {
    try {
      dig(self, depth, alive);
    } catch (const std::runtime_error& error) {
      self.suspend();
      caught = error.what();
    }
  });
  one.resume();
  CHECK(alive == depth + 1);
  one.resume_on_new_thread();
  CHECK(alive == 0);
  one.resume_on_new_thread();
  CHECK(caught == "bottom");
}
