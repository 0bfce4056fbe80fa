#include <ringo/testing/bubble.hpp>

#include <exception>

#include <ringo/error.hpp>

#include "sched/bubble.hpp"
#include "sched/scheduler.hpp"
#include "testing/root_fiber.hpp"

namespace ringo::testing {
namespace detail {
namespace {

using ringo::detail::panic;

void run_inside(void (*body)(void*), void* argument, const void* site) {
  using group = ringo::detail::bubble;
  bubble_outcome outcome;
  const auto begin = []() -> group& { return group::begin(group::reach::fibers_outside); };
  run_root(begin, body, argument, site, outcome);
  if (outcome.thrown) std::rethrow_exception(outcome.thrown);
  if (!outcome.deadlock.empty()) panic(outcome.deadlock);
  if (!outcome.returned) panic("bubble: its first fiber has called goexit");
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
