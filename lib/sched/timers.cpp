#include "sched/timers.hpp"

#include "sched/current.hpp"
#include "sched/scheduler.hpp"
#include "sched/worker.hpp"

namespace ringo::detail {

void add_timer(timer_node& timer, time_point when) {
  if (worker* w = current_worker()) {
    w->timers().add(timer, when);
    return;
  }
  scheduler& s = scheduler::instance();
  if (s.shared_timers().add(timer, when)) s.timer_added();
}

timer_heap& timers_here() noexcept {
  worker* w = current_worker();
  return w != nullptr ? w->timers() : scheduler::instance().shared_timers();
}

}  // namespace ringo::detail
