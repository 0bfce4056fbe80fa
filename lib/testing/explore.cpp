#include <ringo/testing/explore.hpp>

#include <cerrno>
#include <cstdlib>
#include <exception>
#include <string>
#include <utility>

#include <ringo/error.hpp>
#include <ringo/runtime.hpp>

#include "sched/bubble.hpp"
#include "sched/exploration.hpp"
#include "testing/root_fiber.hpp"

namespace ringo::testing::detail {
namespace {

using ringo::detail::exploration;

seed_range wanted(seed_range seeds) {
  const char* text = std::getenv("RINGO_SEED");  // NOLINT(concurrency-mt-unsafe)
  if (text == nullptr || *text == '\0') return seeds;
  char* end = nullptr;
  errno = 0;
  const std::uint64_t seed = std::strtoull(text, &end, 0);
  if (*end != '\0' || errno != 0) {
    ringo::detail::panic(std::string("explore: RINGO_SEED: not a number: \"") + text + "\"");
  }
  return {seed, 1};
}

struct result {
  std::uint64_t seed = 0;
  std::string failure;  // empty: none
  std::exception_ptr thrown;
};

result run_one(std::uint64_t seed, void (*body)(void*), void* argument, const void* site) {
  using group = ringo::detail::bubble;
  exploration& explored = exploration::instance();
  const auto begin = [&]() -> group& {
    group& inside = group::begin(group::reach::no_fibers_outside);
    explored.begin(seed, inside);
    return inside;
  };
  bubble_outcome outcome;
  run_root(begin, body, argument, site, outcome);
  result found{seed, explored.failure(), outcome.thrown};
  if (!found.failure.empty()) return found;
  if (!outcome.returned) found.failure = "its first fiber has called goexit";
  if (!outcome.deadlock.empty()) found.failure = outcome.deadlock;
  return found;
}

[[noreturn]] void report(const result& found) {
  const std::string seed = std::to_string(found.seed);
  const exploration_failure failure(
      found.seed,
      "explore: seed " + seed + " (RINGO_SEED=" + seed + " replays it): " + found.failure);
  if (!found.thrown) throw failure;
  try {
    std::rethrow_exception(found.thrown);
  } catch (...) {
    std::throw_with_nested(failure);
  }
}

/// On while it lives.
struct exploring_scope {
  exploring_scope() noexcept { exploration::instance().start(); }
  exploring_scope(const exploring_scope&) = delete;
  exploring_scope& operator=(const exploring_scope&) = delete;
  ~exploring_scope() { exploration::instance().stop(); }
};

}  // namespace

void run_exploration(seed_range seeds, void (*body)(void*), void* argument) {
  const void* site = __builtin_return_address(0);
  const seed_range range = wanted(seeds);
  if (workers() != 0) ringo::detail::panic("run: already running");
  result found;
  {
    const exploring_scope scope;
    run({.workers = 1}, [&] {
      for (std::uint64_t i = 0; i < range.count && found.failure.empty(); ++i) {
        found = run_one(range.first + i, body, argument, site);
      }
    });
  }
  if (!found.failure.empty()) report(found);
}

}  // namespace ringo::testing::detail
