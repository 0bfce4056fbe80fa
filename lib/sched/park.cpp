#include "sched/park.hpp"

#include <ringo/detail/assert.hpp>

#include "base/futex.hpp"
#include "sched/scheduler.hpp"
#include "sched/worker.hpp"

/// Plain threads park on a futex in their fiber's control block, which is never unmapped: a waker may
/// still be on its way out of ready() when the thread that it woke is gone.

namespace ringo::detail {
namespace {

void park_thread(const park_kind& kind, void* subject) noexcept {
  fiber* self = current_fiber();
  self->kind.store(&kind);
  self->subject.store(subject);
  self->set(fiber_state::parked);
  kind.after(subject);
  while (self->permit.load(std::memory_order_acquire) == 0) {  // pairs with unpark_thread()
    futex_wait(self->permit, 0, nanoseconds(-1));
  }
  self->permit.store(0, std::memory_order_relaxed);  // relaxed: one waker for each park
  self->resumed();
}

void unpark_thread(fiber* f) noexcept {
  f->permit.store(1, std::memory_order_release);  // pairs with park_thread()
  futex_wake(f->permit, 1);
}

}  // namespace

void park(const park_kind& kind, void* subject) noexcept {
  worker* w = current_worker();
  if (RINGO_LIKELY(w != nullptr)) {
    w->park(kind, subject);
  } else {
    park_thread(kind, subject);
  }
}

void ready(fiber* f) noexcept {
  if (RINGO_UNLIKELY(!f->wake())) return;  // held: whoever lets it go queues it
  if (RINGO_UNLIKELY(f->is_thread)) {
    unpark_thread(f);
  } else if (worker* w = current_worker(); RINGO_LIKELY(w != nullptr)) {
    w->push_ready(f);
  } else {
    scheduler::instance().inject(f);
  }
}

}  // namespace ringo::detail
