#pragma once

// With RINGO_EXPLORE=n in the environment run_on_each explores: it runs its function under n seeded
// schedules on one worker instead of freely on 1, 2 and 8. Not every test can be explored: what
// needs plain threads says so by leave_unless_free(), and is passed over.

#include <cstdint>
#include <cstdlib>
#include <stdexcept>

#include <ringo/detail/explore_point.hpp>

namespace ringo::test {

/// How many schedules; 0: do not explore.
inline std::uint64_t schedules_to_explore() {
  static const std::uint64_t count = [] {
    const char* const text = std::getenv("RINGO_EXPLORE");
    return text != nullptr ? std::strtoull(text, nullptr, 0) : 0;
  }();
  return count;
}

/// The caller runs in an exploration.
inline bool is_explored() {
  return ringo::detail::exploring.load();
}

struct not_explorable : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The caller is about to do what schedules cannot be explored with.
inline void leave_unless_free(const char* why) {
  if (is_explored()) throw not_explorable(why);
}

}  // namespace ringo::test
