#include <ringo/testing/bubble.hpp>

#include <exception>
#include <string>

#include <ringo/error.hpp>
#include <ringo/go.hpp>

#include "sched/bubble.hpp"
#include "sched/scheduler.hpp"

namespace ringo::testing {
namespace detail {
namespace {

using ringo::detail::panic;

void run_inside(void (*body)(void*), void* argument, const void* site) {
  using group = ringo::detail::bubble;
  std::exception_ptr thrown;
  bool returned = false;
  group& inside = group::begin(group::reach::fibers_outside);
  {
    ringo::detail::prepared_fiber root({.name = "bubble"}, site);
    root.body().emplace([&] {
      try {
        body(argument);
        returned = true;
      } catch (...) {
        if (!ringo::detail::fiber_is_exiting()) thrown = std::current_exception();
        inside.root_ends();
        if (ringo::detail::fiber_is_exiting()) throw;
        return;
      }
      inside.root_ends();
    });
    root.join(&inside);
    root.start();
  }
  inside.await_end();
  const std::string deadlock = inside.deadlock();
  inside.recycle();
  if (thrown) std::rethrow_exception(thrown);
  if (!deadlock.empty()) panic(deadlock);
  if (!returned) panic("bubble: its first fiber has called goexit");
}

}  // namespace

void run_bubble(void (*body)(void*), void* argument) {
  const void* site = __builtin_return_address(0);
  if (ringo::detail::current_bubble() != 0) panic("bubble: inside of another one");
  if (ringo::detail::scheduler::instance().running()) return run_inside(body, argument, site);
  run([=] { run_inside(body, argument, site); });
}

}  // namespace detail

void wait() {
  auto* group = ringo::detail::bubble::current();
  if (group == nullptr) ringo::detail::panic("testing::wait: outside of a bubble");
  group->wait();
}

}  // namespace ringo::testing
