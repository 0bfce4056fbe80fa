#pragma once

#include <ringo/detail/assert.hpp>
#include <ringo/error.hpp>

#include "fiber/sanitizer.hpp"
#include "sched/bubble.hpp"
#include "sched/scheduler.hpp"
#include "sched/worker.hpp"

/// The steps of a worker that lie on the path of every switch, to be inlined: each call between the
/// jump and the user's frame costs a return that the CPU may predict wrongly.

namespace ringo::detail {

inline context& worker::begin(fiber* f) noexcept {
  if (RINGO_UNLIKELY(f->memory().base == nullptr)) {
    const stack memory = stacks_.take(std::size_t{1} << f->stack_size_log2);
    if (memory.base == nullptr) {
      fatal("cannot map a fiber stack: address space or vm.overcommit_memory exhausted");
    }
    f->stack_base.store(memory.base, std::memory_order_relaxed);  // relaxed: as `at`
    make_context(f->at, memory);
  }
  current_.set(f);
  return f->at;
}

inline fiber* worker::take_local() noexcept {
  if (fiber* f = next_.take()) return f;
  return queue_.pop();
}

[[gnu::always_inline]] inline fiber* worker::pick_queued() noexcept {
  fiber* f = take_local();
  if (f == nullptr) return nullptr;
  // relaxed: written by the fiber itself, before it parked, or by who has queued it
  if (RINGO_UNLIKELY(f->pinned_to.load(std::memory_order_relaxed) != nullptr)) {
    picked_.set(f);
    return nullptr;
  }
  return f;
}

/// The fiber to switch to directly; null: pick_noting(), and then the loop, must look.
inline fiber* worker::pick() noexcept {
  const std::uint64_t tick = ticks_.get() + 1;
  ticks_.set(tick);
  // relaxed: seen late, it costs one more dispatch
  if (RINGO_UNLIKELY(attention_.load(std::memory_order_relaxed) != 0)) return nullptr;
  if (RINGO_UNLIKELY(tick % poll_interval == 0)) return nullptr;
  return pick_queued();
}

[[gnu::always_inline]] inline void worker::leave(
    fiber* self, after_switch after, const void* second, void* third, leaving how) noexcept {
#if RINGO_ASAN || RINGO_TSAN
  departure away;  // whoever comes back reads it again; to TSan fibers are threads
#else
  departure& away = away_;  // a line less of each stack that is switched to
#endif
  away = {&self->at, globals_, after, self, second, third, &worker::start_fiber, false};
  sanitizer_release(this);  // run() takes it over at its end
  fiber* next = pick();
  if (RINGO_UNLIKELY(next == nullptr) && (next = pick_noting(*self, how)) == nullptr) {
    current_.set(nullptr);
  }
  context& to = next != nullptr ? begin(next) : loop_;
  sanitizer_release(this);  // what fibers did here came before the worker's end
  switch_to(to, away);
}

[[gnu::always_inline]] inline void worker::park(const park_kind& kind, void* subject) noexcept {
  parks_.set(parks_.get() + 1);
  fiber* self = current_.get();
  self->kind.store(&kind, std::memory_order_relaxed);           // relaxed: published by the state
  self->subject.store(subject, std::memory_order_relaxed);      // relaxed: as above
  self->permit.store(clock_.get(), std::memory_order_relaxed);  // relaxed: as above
  sanitizer_release(&self->state);                              // hold() takes it over
#if RINGO_TSAN
  if (bubble* group = bubble::of(*self)) sanitizer_release(group);  // bubble::wait() takes it over
#endif
  leave(self, &worker::after_park, &kind, subject, leaving::parks);
  self->resumed();
  self->kind.store(nullptr, std::memory_order_relaxed);  // relaxed: as above
}

inline void worker::push_ready(fiber* f) noexcept {
  // In the child of a fork the idle gate's lock may be held by a thread that does not exist.
  refuse_if_forked();
  const std::uint32_t asked = attention_.load(std::memory_order_relaxed);  // relaxed: as in pick()
  if (RINGO_UNLIKELY(asked != 0) && push_noting(f, asked)) return;
  if (fiber* displaced = next_.put(f)) push_back(displaced);
}

}  // namespace ringo::detail
