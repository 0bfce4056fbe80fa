#include "sched/worker.hpp"

#include <ringo/detail/assert.hpp>
#include <ringo/error.hpp>

#include "fiber/sanitizer.hpp"
#include "sched/bubble.hpp"
#include "sched/current.hpp"
#include "sched/exploration.hpp"
#include "sched/held_mutexes.hpp"
#include "sched/park.hpp"
#include "sched/park_thread.hpp"
#include "sched/scheduler.hpp"
#include "sched/uncaught.hpp"
#include "sched/worker_switch.hpp"

/// The fiber's side of a worker: everything here runs on a fiber's stack, or as its departure's
/// `after`.

namespace ringo::detail {

worker::worker(scheduler& owner,
               std::uint32_t index,
               timer_heap& timers,
               std::unique_ptr<engine> source)
    : attention_(exploring.load() ? explored : 0U),
      random_(0x9E3779B97F4A7C15ULL * (index + 1) ^
              static_cast<std::uint64_t>(steady_clock::now().time_since_epoch().count())),
      owner_(owner),
      index_(index),
      timers_(timers),
      source_(std::move(source)) {}

std::uint32_t worker::random_below(std::uint32_t bound) noexcept {
  return random_.below(bound);
}

std::uint64_t worker::next_fiber_id() noexcept {
  std::uint64_t id = next_id_.get();
  if (RINGO_UNLIKELY(id % 1024 == 0)) id = take_id_block() * 1024 + 1;  // 0 is for plain threads
  next_id_.set(id + 1);
  return id;
}

void worker::after_nothing(void* /*self*/, const void* /*unused*/, void* /*on*/) noexcept {}

void worker::after_park(void* self, const void* kind, void* subject) noexcept {
  auto* f = static_cast<fiber*>(self);
  worker* w = current_worker();  // of the thread it was on
  const auto* wait = static_cast<const park_kind*>(kind);
  w->departing_.store(f, std::memory_order_relaxed);  // relaxed: published by the state
  f->set(fiber_state::parked);
  bubble* const group = bubble::of(*f);
  const bool blocks = RINGO_UNLIKELY(group != nullptr) && group->block(*f, *wait, subject);
  wait->after(subject);
  // A fiber whose run is over must not be woken by the next one.
  if (RINGO_UNLIKELY(w->owner_.abandoned_any()) && w->abandoned() && wait->claim(subject)) {
    f->set(fiber_state::lost);
  }
  w->departing_.store(nullptr, std::memory_order_release);  // pairs with reclaim_leftovers()
  if (RINGO_UNLIKELY(blocks)) group->departed();
}

void worker::after_yield(void* self, const void* /*unused*/, void* on) noexcept {
  auto* f = static_cast<fiber*>(self);
  auto* w = static_cast<worker*>(on);
  if (RINGO_UNLIKELY(w->abandoned())) {
    const park_kind* kind = f->kind.load();
    if (kind != nullptr && kind->dropped != nullptr) kind->dropped(f->subject.load());
    f->set(fiber_state::lost);
    return;
  }
  f->set(fiber_state::runnable);
  // Behind what is queued anywhere: with an empty ring, that is the inject queue's end.
  if (w->queue_.empty() && !w->owner_.injected().empty()) {
    w->owner_.inject(f);
  } else {
    w->push_back(f);
  }
}

void worker::yield() noexcept {
  refuse_if_forked();
  // Nobody else to run: stay, but count the scheduling point, so that polls come due.
  // relaxed: as in pick()
  if (next_.empty() && queue_.empty() && owner_.injected().empty() &&
      (ticks_.get() + 1) % poll_interval != 0 &&
      (attention_.load(std::memory_order_relaxed) & ~notes) == 0) {
    ticks_.set(ticks_.get() + 1);
    return;
  }
  const mutex_watch watch;
  fiber* self = current_.get();
  sanitizer_release(&self->state);
  leave(self, &worker::after_yield, nullptr, this, leaving::yields);
  self->resumed();
}

void worker::push_back(fiber* f) noexcept {
  enqueue(f);
  if (owner_.gate().help_needed()) owner_.wake_one();
}

void worker::enqueue(fiber* f) noexcept {
  if (RINGO_LIKELY(queue_.push(f))) return;
  std::array<fiber*, run_queue::capacity / 2 + 1> older;
  std::uint32_t count = queue_.take_half(older.data());
  older[count++] = f;
  owner_.inject_all(older.data(), count);
}

void worker::pin(fiber* f) noexcept {
  f->pinned_to.store(this,
                     std::memory_order_relaxed);  // relaxed: published when the fiber is queued
  pin_holder_.set(f);
  attention_.fetch_or(pinned);
}

void worker::unpin() noexcept {
  // relaxed: as in pin()
  pin_holder_.get()->pinned_to.store(nullptr, std::memory_order_relaxed);
  pin_holder_.set(nullptr);
  attention_.fetch_and(~static_cast<std::uint32_t>(pinned));
}

void worker::recycle(fiber* f) noexcept {
  f->set(fiber_state::unused);
  blocks_.put(f);
  ended_.set(ended_.get() + 1);
}

void worker::after_end(void* self, const void* /*unused*/, void* on) noexcept {
  auto* f = static_cast<fiber*>(self);
  auto* w = static_cast<worker*>(on);
  release_context(f->at);
  w->stacks_.put(f->memory());
  f->stack_base.store(nullptr, std::memory_order_relaxed);  // relaxed: as `at`
  w->recycle(f);
}

/// Where to go, with `last` filled in; null: the running stack now belongs to the next fiber, which
/// has not started yet.
context* worker::end_fiber(fiber* self, departure& last) noexcept {
  forget_held_mutexes();
  if (bubble* group = bubble::of(*self); RINGO_UNLIKELY(group != nullptr)) group->fiber_ends();
  last = {&self->at, globals_, &worker::after_end, self, nullptr, this, &worker::start_fiber, true};
  // The last that this fiber writes on its stack is above.
  sanitizer_release(self);
  sanitizer_release(self->memory().base);
  sanitizer_release(this);  // run() takes it over at its end
  fiber* next = pick();
  if (RINGO_UNLIKELY(next == nullptr)) next = pick_noting(*self, leaving::ends);
  // A fiber that never parks needs neither a stack of its own nor a switch: it takes over this one.
  // (Not under TSan, for which each fiber is a thread.)
  if (!RINGO_TSAN && next != nullptr && next->memory().base == nullptr &&
      next->stack_size_log2 == self->stack_size_log2) {
    next->at = self->at;
    next->stack_base.store(self->memory().base, std::memory_order_relaxed);  // relaxed: as `at`
    self->stack_base.store(nullptr, std::memory_order_relaxed);              // relaxed: as `at`
    recycle(self);
    current_.set(next);
    return nullptr;
  }
  if (next == nullptr) current_.set(nullptr);
  context& to = next != nullptr ? begin(next) : loop_;
  sanitizer_release(this);  // as in leave()
  return &to;
}

context& worker::start_fiber(departure& last) noexcept {
  for (;;) {
    sanitizer_acquire(sanitizer_world());
    fiber* self = current_worker()->current();
    self->resumed();
    sanitizer_acquire(self->memory().base);
    run_body(*self);
    // The fiber may have moved meanwhile.
    if (context* to = current_worker()->end_fiber(self, last)) return *to;
  }
}

void park(const park_kind& kind, void* subject) noexcept {
  worker* w = current_worker();
  if (RINGO_LIKELY(w != nullptr)) {
    const mutex_watch watch;
    w->park(kind, subject);
  } else {
    park_thread(kind, subject);
  }
}

void ready(fiber* f) noexcept {
  if (RINGO_UNLIKELY(!wake(*f))) return;  // held: whoever lets it go queues it
  // relaxed: never changes while it waits
  if (RINGO_UNLIKELY(f->is_thread.load(std::memory_order_relaxed))) {
    unpark_thread(f);
  } else if (worker* w = current_worker(); RINGO_LIKELY(w != nullptr)) {
    w->push_ready(f);
  } else {
    scheduler::instance().inject(f);
  }
}

void ready_onto(fiber* f, intrusive_queue<fiber>& list) noexcept {
  if (!wake(*f)) return;
  if (f->is_thread.load(std::memory_order_relaxed)) {  // relaxed: never changes while it waits
    unpark_thread(f);
  } else {
    list.push(f);
  }
}

std::uint32_t wake_all(intrusive_queue<fiber>& fibers, std::uint32_t& left) noexcept {
  std::uint32_t count = 0;
  intrusive_queue<fiber> woken;
  for (; fiber* f = fibers.pop(); ++count) {
    if (!wake(*f)) continue;
    woken.push(f);
    ++left;
  }
  fibers = woken;
  return count;
}

void ready_all(fiber** fibers, std::size_t count) noexcept {
  std::array<fiber*, ready_batch> queued;
  std::uint32_t waiting = 0;
  worker* const w = current_worker();
  for (std::size_t i = 0; i < count; ++i) {
    fiber* f = fibers[i];
    if (!wake(*f)) continue;
    if (f->is_thread.load(std::memory_order_relaxed)) {  // relaxed: never changes while it waits
      unpark_thread(f);
      continue;
    }
    if (w != nullptr) w->note_queued(*f);
    if (waiting == queued.size()) {
      scheduler::instance().inject_all(queued.data(), waiting);
      waiting = 0;
    }
    queued[waiting++] = f;
  }
  if (waiting != 0) scheduler::instance().inject_all(queued.data(), waiting);
}

}  // namespace ringo::detail
