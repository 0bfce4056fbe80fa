#include "sched/queue_stamp.hpp"
#include "sched/scheduler.hpp"
#include "sched/trace_ring.hpp"
#include "sched/worker.hpp"
#include "sched/worker_switch.hpp"

/// What a worker notes of what it does: how long some fibers wait, always, and everything for a
/// trace. All of it is off the path of a switch: a worker looks there at its attention bits anyway.

namespace ringo::detail {
namespace {

const char* reason_of(const fiber& f) noexcept {
  const park_kind* kind = f.kind.load(std::memory_order_relaxed);  // relaxed: the fiber's own
  return kind != nullptr ? kind->reason : "yield";
}

}  // namespace

std::uint64_t worker::trace_time() const noexcept {
  return is_traced() ? tick_now() : 0;
}

/// After pick() has found nothing: perhaps it did not look, since there is something to note.
RINGO_NOINLINE fiber* worker::pick_noting(fiber& self, leaving how) noexcept {
  const std::uint32_t asked = attention_.load();
  if ((asked & notes) == 0) return nullptr;
  if ((asked & sample_due) != 0) {
    // One that parks gives up the measurement: kept, it would slow down every switch until somebody
    // is made ready here.
    attention_.fetch_and(~static_cast<std::uint32_t>(sample_due));
    if (how == leaving::yields) stamp_queued(self);
  }
  const bool loop_is_due = (asked & ~notes) != 0 || ticks_.get() % poll_interval == 0;
  fiber* const next = loop_is_due || picked_.get() != nullptr ? nullptr : pick_queued();
  if ((asked & traced) != 0) note_run(next, how == leaving::ends ? "end" : reason_of(self));
  return next;
}

/// push_ready(), where something asks for attention. True: it has queued the fiber.
RINGO_NOINLINE bool worker::push_noting(fiber* f, std::uint32_t asked) noexcept {
  if ((asked & notes) != 0) note_ready(*f);
  if ((asked & token_lost) == 0 && !abandoned()) return false;
  // This worker does not get to its own queues soon; or never, and they are dead.
  owner_.inject(f);
  return true;
}

void worker::note_wait(fiber& f) noexcept {
  waits_.add(take_stamp(f));
}

/// Somebody here has made another fiber ready, or has just made it.
RINGO_NOINLINE void worker::note_ready(fiber& f) noexcept {
  const std::uint32_t asked = attention_.load();
  if ((asked & sample_due) != 0) {
    attention_.fetch_and(~static_cast<std::uint32_t>(sample_due));
    stamp_queued(f);
  }
  trace_ring* const ring = trace_.load();
  if ((asked & traced) == 0 || ring == nullptr) return;
  ring->note(trace_kind::wake,
             f.id.load(std::memory_order_relaxed));  // relaxed: about to be queued
}

/// The worker turns to a fiber, or to its loop, since the one before did so.
RINGO_NOINLINE void worker::note_run(const fiber* next, const char* before) noexcept {
  trace_ring* const ring = trace_.load();
  if (ring == nullptr) return;
  constexpr auto relaxed = std::memory_order_relaxed;  // relaxed: this worker has it in hand
  const std::uint64_t id = next != nullptr ? next->id.load(relaxed) : 0;
  if (next != nullptr && next->memory().base == nullptr) {
    // Its first run: when the trace is written it may have ended, and its name be gone.
    const void* site = next->spawn_site.load(relaxed);
    ring->note(trace_kind::first, id, reinterpret_cast<std::uint64_t>(site));
    if (const char* name = next->name.load(relaxed)) ring->note_name(name);
  }
  ring->note(trace_kind::run,
             reinterpret_cast<std::uint64_t>(next),
             id,
             reinterpret_cast<std::uint64_t>(before));
}

void worker::note_blocking_begins() noexcept {
  blocking_since_.set(tick_now());
}

void worker::note_blocking_ends() noexcept {
  note_span("blocking", blocking_since_.get(), 0);
  blocking_since_.set(0);
}

/// After a look at timers and the engine: only if it made a system call, or found something.
void worker::note_poll(std::uint64_t since, std::uint64_t calls, std::uint32_t count) noexcept {
  if (count != 0 || source_->calls() != calls) note_span("poll", since, count);
}

void worker::note_span(const char* what, std::uint64_t since, std::uint64_t number) noexcept {
  if (trace_ring* ring = trace_.load()) ring->note(trace_kind::span, what, since, number);
}

void worker::note_mark(const char* what, std::uint64_t number) noexcept {
  if (trace_ring* ring = trace_.load()) ring->note(trace_kind::mark, what, 0, number);
}

}  // namespace ringo::detail
