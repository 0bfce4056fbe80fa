#include "sched/parked_watch.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include <ringo/defer.hpp>

#include "base/print.hpp"
#include "base/write_all.hpp"
#include "sched/scheduler.hpp"
#include "sched/snapshot.hpp"

namespace ringo::detail {
namespace {

using namespace std::chrono_literals;

constexpr nanoseconds limit_default = 10min;
constexpr nanoseconds limit_min = 1s;
constexpr nanoseconds limit_max = 24h * 100;
constexpr int looks_in_limit = 4;

/// What stands behind "parked": "=20" is minutes, "=20s" seconds. 0: nothing does, or nonsense.
nanoseconds limit_of(const char* text) noexcept {
  if (*text != '=') return limit_default;
  char* end = nullptr;
  const double number = std::strtod(text + 1, &end);
  const std::chrono::duration<double> unit = *end == 's' ? 1s : 60s;
  const std::chrono::duration<double> wanted = number * unit;
  if (end == text + 1 || !(wanted.count() > 0)) return limit_default;
  if (wanted >= limit_max) return limit_max;
  return std::max(limit_min, std::chrono::duration_cast<nanoseconds>(wanted));
}

}  // namespace

parked_watch::parked_watch() noexcept {
  constexpr const char* name = "parked";
  const char* log = std::getenv("RINGO_LOG");  // NOLINT(concurrency-mt-unsafe)
  const char* found = log != nullptr ? std::strstr(log, name) : nullptr;
  if (found == nullptr) return;
  limit_ = limit_of(found + std::strlen(name));
  next_ = steady_clock::now() + limit_;
}

nanoseconds parked_watch::patience() const noexcept {
  return next_ == never ? nanoseconds(-1) : time_left(next_);
}

void parked_watch::step() noexcept {
  if (next_ == never || steady_clock::now() < next_) return;
  try {
    look();
  } catch (const std::bad_alloc&) {
    print_error("ringo: no memory to list the fibers that are parked for long\n");
  }
  next_ = steady_clock::now() + limit_ / looks_in_limit;
}

void parked_watch::look() {
  // Who is held and woken meanwhile is in nobody's queue: no deadlock.
  scheduler& s = scheduler::instance();
  s.expect_outside(1);
  const ringo::defer over{[&s] { s.expect_outside(-1); }};
  snapshot taken = snapshot::take();
  std::erase_if(taken.fibers, [this](const fiber_entry& f) {
    return f.state != fiber_state::parked || f.waited < limit_;
  });
  std::unordered_set<std::uint64_t> now;
  for (const fiber_entry& f : taken.fibers) now.insert(f.id);
  std::erase_if(taken.fibers, [this](const fiber_entry& f) { return told_.contains(f.id); });
  told_ = std::move(now);
  if (taken.fibers.empty()) return;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit_).count();
  const std::size_t count = taken.fibers.size();
  const std::string text = "ringo: " + std::to_string(count) +
                           (count == 1 ? " fiber has" : " fibers have") + " been parked for over " +
                           std::to_string(seconds) + " seconds:\n\n" + text_of(taken);
  constexpr int standard_error = 2;
  static_cast<void>(write_all(standard_error, text.data(), text.size()));
}

}  // namespace ringo::detail
