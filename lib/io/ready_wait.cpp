#include "io/ready_wait.hpp"

#include <cerrno>

#include "io/ready_park.hpp"
#include "sched/current.hpp"
#include "sched/scheduler.hpp"

namespace ringo::detail {
namespace {

/// In a frame of its own: most waits have none.
struct ready_listener : cancellation::listener {
  const ready_target& target;

  explicit ready_listener(const ready_target& of) noexcept : target(of) { fire = &announce; }

  static void announce(cancellation::listener& l, cancellation::walk& found) noexcept {
    const ready_target& of = static_cast<ready_listener&>(l).target;
    if (fiber* who = call_off(of.entry, of.way)) found.woken.push(who);
  }
};

[[gnu::noinline]] std::int64_t wait_listening(worker& here,
                                              const ready_target& target,
                                              cancellation& stop,
                                              io_reason reason,
                                              io_holder* holder) {
  ready_listener listener(target);
  if (!stop.add(listener)) return -ECANCELED;
  const std::int64_t result = park_until_ready(here, target, &listener, reason, holder);
  stop.remove(listener);
  return result;
}

}  // namespace

std::int64_t wait_until_ready(const ready_target& target,
                              io_slot* slot,
                              cancellation* stop,
                              io_reason reason,
                              io_holder* holder) {
  worker& here = *current_worker();
  here.refuse_if_forked();  // the set is the parent's
  // A fiber whose run is over parks for good; it must not register anything with its engine.
  const int refused =
      here.abandoned() ? 0 : here.source().enlist(target.entry, target.fd, target.once);
  if (RINGO_UNLIKELY(refused != 0)) return refused;
  if (slot != nullptr) slot->cover();
  if (stop != nullptr) return wait_listening(here, target, *stop, reason, holder);
  return park_until_ready(here, target, nullptr, reason, holder);
}

void drop_entry(poll_entry& entry) noexcept {
  const worker* const here = current_worker();
  if (here != nullptr && !here->abandoned()) return give_up(entry);
  bool visited = false;
  scheduler::instance().visit([&](scheduler&) {
    give_up(entry);
    visited = true;
  });
  if (visited) return;
  // The engine is gone, or about to go, or nobody looks at it any more.
  {
    spin_guard guard(entry.lock);
    entry.leave_set();
  }
  give_back(entry);
}

}  // namespace ringo::detail
