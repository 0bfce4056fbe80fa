#include "sched/leftovers.hpp"

#include <cstdlib>
#include <cstring>

#include "base/print.hpp"
#include "sched/deadlock.hpp"
#include "sched/scheduler.hpp"

#ifndef RINGO_LIST_LEFTOVERS
#define RINGO_LIST_LEFTOVERS 0  // 1 in debug builds, by CMake
#endif

namespace ringo::detail {

void report_leftovers() noexcept {
  const char* log = std::getenv("RINGO_LOG");  // NOLINT(concurrency-mt-unsafe)
  if (!RINGO_LIST_LEFTOVERS && (log == nullptr || std::strstr(log, "leftovers") == nullptr)) return;
  const std::size_t count = scheduler::instance().num_fibers();
  if (count == 0) return;
  print_error("ringo: %zu fibers were left when the main fiber ended:\n", count);
  dump_fibers();
}

}  // namespace ringo::detail
