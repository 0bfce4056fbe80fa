#include "sched/park_thread.hpp"

#include "base/futex.hpp"
#include "sched/current.hpp"

/// Plain threads park on a futex in their fiber's control block, which is never unmapped: a waker
/// may still be on its way out of ready() when the thread that it woke is gone.

namespace ringo::detail {
void park_thread(const park_kind& kind, void* subject) noexcept {
  fiber* self = current_fiber();
  self->kind.store(&kind);
  self->subject.store(subject);
  self->set(fiber_state::parked);
  kind.after(subject);
  while (self->permit.load(std::memory_order_acquire) == 0) {  // pairs with unpark_thread()
    futex_wait(self->permit, 0, std::chrono::nanoseconds(-1));
  }
  self->permit.store(0, std::memory_order_relaxed);  // relaxed: one waker for each park
  self->resumed();
}

void unpark_thread(fiber* f) noexcept {
  f->permit.store(1, std::memory_order_release);  // pairs with park_thread()
  futex_wake(f->permit, 1);
}

}  // namespace ringo::detail
