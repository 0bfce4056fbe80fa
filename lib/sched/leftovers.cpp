#include "sched/leftovers.hpp"

#include <cstdlib>
#include <cstring>
#include <new>

#include "base/print.hpp"
#include "sched/deadlock.hpp"

#ifndef RINGO_LIST_LEFTOVERS
#define RINGO_LIST_LEFTOVERS 0  // 1 in debug builds, by CMake
#endif

namespace ringo::detail {

void report_leftovers() noexcept {
  const char* log = std::getenv("RINGO_LOG");  // NOLINT(concurrency-mt-unsafe)
  if (!RINGO_LIST_LEFTOVERS && (log == nullptr || std::strstr(log, "leftovers") == nullptr)) return;
  try {
    // Those on abandoned threads, of this run and of earlier ones, have been named when they were
    // abandoned.
    const auto left = list_fibers([](const fiber& f) {
      const fiber_state state = f.current_state();
      return state == fiber_state::parked || state == fiber_state::runnable;
    });
    if (left.empty()) return;
    print_error(left.size() == 1 ? "ringo: 1 fiber was left when the main fiber ended:\n"
                                 : "ringo: %zu fibers were left when the main fiber ended:\n",
                left.size());
    print_fibers(left);
  } catch (const std::bad_alloc&) {
    print_error("ringo: no memory to list the fibers that were left when the main fiber ended\n");
  }
}

}  // namespace ringo::detail
