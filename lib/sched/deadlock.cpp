#include "sched/deadlock.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include <dirent.h>
#include <sched.h>
#include <sys/stat.h>

#include <ringo/error.hpp>

#include "base/print.hpp"
#include "fiber/fiber.hpp"
#include "sched/scheduler.hpp"
#include "sched/symbol.hpp"
#include "sched/thread_stat.hpp"
#include "sched/traceback.hpp"

namespace ringo::detail {
namespace {

constexpr std::size_t dump_max = 1000;

enum class thread_kind { kernel_worker, foreign, gone };

thread_kind kind_of(std::int32_t thread) noexcept {
  const thread_stat stat(thread);
  if (!stat.known() || stat.exits()) return thread_kind::gone;
  return stat.name().starts_with("iou-") ? thread_kind::kernel_worker : thread_kind::foreign;
}

bool is_own(const scheduler& s, std::int32_t thread, std::int32_t caller_thread) noexcept {
  if (thread == caller_thread || s.is_abandoned_thread(thread)) return true;
  if (s.is_adopted_thread(thread)) return true;
  for (std::uint32_t i = 0; i < s.worker_count(); ++i) {
    if (s.worker_at(i)->thread_id() == thread) return true;
  }
  return false;
}

const char* state_text(const fiber& f) noexcept {
  switch (f.current_state()) {
    case fiber_state::runnable: return "runnable";
    case fiber_state::running: return "running";
    case fiber_state::parked: {
      const park_kind* kind = f.kind.load();
      return kind != nullptr ? kind->reason : "parked";
    }
    case fiber_state::lost: return "abandoned";
    case fiber_state::unused: break;
  }
  return "unused";
}

using line = std::array<char, 1024>;

line describe(const fiber& f) noexcept {
  line text{};
  const char* name = f.name.load();
  std::snprintf(text.data(),
                text.size(),
                "fiber %llu%s%s%s [%s]: spawned at %s\n",
                static_cast<unsigned long long>(f.id.load()),
                name != nullptr ? " \"" : "",
                name != nullptr ? name : "",
                name != nullptr ? "\"" : "",
                state_text(f),
                symbol_of(f.spawn_site.load()).text);
  return text;
}

}  // namespace

std::vector<const fiber*> list_fibers(const std::function<bool(const fiber&)>& wanted) {
  std::vector<const fiber*> found;
  fiber_registry::instance().for_each([&](const fiber& f) {
    if (!f.is_thread && wanted(f)) found.push_back(&f);
  });
  std::sort(found.begin(), found.end(), [](const fiber* a, const fiber* b) {
    return a->id.load() < b->id.load();
  });
  return found;
}

void print_fibers(const std::vector<const fiber*>& fibers) noexcept {
  const std::size_t shown = std::min(fibers.size(), dump_max);
  for (std::size_t i = 0; i < shown; ++i) print_error("%s", describe(*fibers[i]).data());
  if (shown < fibers.size()) print_error("... and %zu more\n", fibers.size() - shown);
}

std::string text_of(const std::vector<const fiber*>& fibers) {
  const std::size_t shown = std::min(fibers.size(), dump_max);
  std::string text;
  for (std::size_t i = 0; i < shown; ++i) text += describe(*fibers[i]).data();
  if (shown < fibers.size()) text += "... and " + std::to_string(fibers.size() - shown) + " more\n";
  return text;
}

bool foreign_threads(const scheduler& s, std::int32_t caller_thread) noexcept {
  // The kernel ends a listing early when the thread at its cursor has just died. So a listing that
  // names nobody counts only if it was complete: no thread vanished meanwhile, and there were as
  // many as the directory says (its link count is the number of threads and 2).
  constexpr int scans_max = 1000;
  for (int scan = 0; scan < scans_max; ++scan) {
    DIR* tasks = ::opendir("/proc/self/task");
    if (tasks == nullptr) return true;  // cannot tell: never a false alarm
    int foreign = RINGO_TSAN ? -1 : 0;  // TSan's own background thread
    bool complete = true;
    nlink_t listed = 0;
    while (const dirent* entry =
               ::readdir(tasks)) {  // NOLINT(concurrency-mt-unsafe): our own stream
      const auto thread = static_cast<std::int32_t>(std::strtol(entry->d_name, nullptr, 10));
      if (thread <= 0) continue;
      ++listed;
      if (is_own(s, thread, caller_thread)) continue;
      const thread_kind kind = kind_of(thread);
      if (kind == thread_kind::gone) complete = false;
      if (kind == thread_kind::foreign) ++foreign;
    }
    ::closedir(tasks);
    if (foreign > 0) return true;
    struct stat status {};
    if (::stat("/proc/self/task", &status) != 0) return true;
    if (complete && listed + 2 >= status.st_nlink) return false;
    ::sched_yield();  // to those that are about to be gone
  }
  return true;
}

void report_deadlock(const scheduler& s) noexcept {
  begin_last_report();
  print_error(s.num_fibers() == 0 ? "fatal error: no fibers (main called goexit) - deadlock!\n"
                                  : "fatal error: all fibers are asleep - deadlock!\n");
  print_all_fibers();
  end_process();
}

}  // namespace ringo::detail
