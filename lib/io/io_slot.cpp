#include "io/io_slot.hpp"

#include <cstddef>
#include <type_traits>

#include "sched/park.hpp"
#include "sched/timers.hpp"
#include "source/engine.hpp"
#include "source/wake_event.hpp"

namespace ringo::detail {

fiber* cancel_listed(operation& op) noexcept {
  if (op.home != nullptr) return op.home->cancel(op);
  if (op.call_off()) op.bell->signal();
  return nullptr;
}

void io_slot::set_timer() {
  timer_heap::remove(timer);
  const time_point until = deadline.load();
  timer_due.store(until);
  if (until != never) add_real_timer(timer, until);
}

fiber* io_slot::call_off_entry() noexcept {
  poll_entry* const known = entry.load();
  return known != nullptr ? call_off(*known, way) : nullptr;
}

void io_slot::fire(timer_node& timer, time_point /*due*/, fiber_queue& ready) noexcept {
  static_assert(std::is_standard_layout_v<io_slot>);
  auto& self =
      *reinterpret_cast<io_slot*>(reinterpret_cast<std::byte*>(&timer) - offsetof(io_slot, timer));
  self.timer_due.store(never);
  if (fiber* who = self.call_off_entry()) ready_onto(who, ready);
  spin_guard guard(self.lock);
  if (self.listed == nullptr) return;
  if (fiber* who = cancel_listed(*self.listed)) ready_onto(who, ready);
}

void io_slot::move_deadline(time_point to) noexcept {
  deadline.store(to);
  if (covered()) return;
  if (fiber* who = call_off_entry()) ready(who);
  fiber* who = nullptr;
  {
    spin_guard guard(lock);
    if (listed != nullptr && !covered()) who = cancel_listed(*listed);
  }
  if (who != nullptr) ready(who);
}

void io_slot::close() noexcept {
  if (fiber* who = call_off_entry()) ready(who);
  fiber* who = nullptr;
  {
    spin_guard guard(lock);
    closed = true;
    if (listed != nullptr) who = cancel_listed(*listed);
  }
  if (who != nullptr) ready(who);
}

void io_slot::retire() noexcept {
  timer_heap::remove(timer);
}

}  // namespace ringo::detail
