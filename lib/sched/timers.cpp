#include "sched/timers.hpp"

#include "sched/bubble.hpp"
#include "sched/current.hpp"
#include "sched/scheduler.hpp"
#include "sched/worker.hpp"

namespace ringo::detail {

void add_timer(timer_node& timer, time_point when) {
  if (bubble* group = bubble::current()) {
    group->add_timer(timer, when);
  } else if (worker* w = current_worker()) {
    w->timers().add(timer, when);
  } else {
    scheduler& s = scheduler::instance();
    if (s.shared_timers().add(timer, when)) s.timer_added();
  }
}

timer_heap& timers_here() noexcept {
  if (bubble* group = bubble::current()) return group->timers();
  worker* w = current_worker();
  return w != nullptr ? w->timers() : scheduler::instance().shared_timers();
}

}  // namespace ringo::detail
