#include "sched/timers.hpp"

#include "sched/bubble.hpp"
#include "sched/current.hpp"
#include "sched/scheduler.hpp"
#include "sched/worker.hpp"

namespace ringo::detail {

void add_timer(timer_node& timer, time_point when) {
  if (bubble* group = bubble::current()) {
    group->add_timer(timer, when);
  } else {
    add_real_timer(timer, when);
  }
}

void add_real_timer(timer_node& timer, time_point when) {
  if (worker* w = current_worker()) {
    w->timers().add(timer, when);
  } else {
    scheduler& s = scheduler::instance();
    if (s.shared_timers().add(timer, when)) s.timer_added();
  }
}

timer_heap& timers_here() noexcept {
  worker* w = current_worker();
  if (w == nullptr) return scheduler::instance().shared_timers();
  bubble* group = bubble::current();
  return group != nullptr ? group->timers() : w->timers();
}

}  // namespace ringo::detail
