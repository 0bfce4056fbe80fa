#include <algorithm>
#include <array>
#include <span>

#include <sys/syscall.h>
#include <unistd.h>

#include <ringo/detail/assert.hpp>

#include "base/pause.hpp"
#include "fiber/sanitizer.hpp"
#include "sched/bubble.hpp"
#include "sched/current.hpp"
#include "sched/exploration.hpp"
#include "sched/fork_guard.hpp"
#include "sched/park.hpp"
#include "sched/queue_stamp.hpp"
#include "sched/scheduler.hpp"
#include "sched/signal_stack.hpp"
#include "sched/steal_order.hpp"
#include "sched/worker.hpp"
#include "sched/worker_switch.hpp"
#include "sched/world_stop.hpp"

/// The loop's side of a worker: everything here runs on the thread's own stack.
///
/// Order of the search for work: what asks for attention; every poll_interval scheduling points the
/// inject queue, timers and completions; then run-next, the own queue, the inject queue, timers and
/// completions; then other workers' queues; then a while of spinning; then sleep.

namespace ringo::detail {
namespace {

constexpr std::uint32_t spin_us_max = 50;  // a wake across cores costs some 20 us
constexpr std::uint32_t spin_us_min = 2;
constexpr std::uint32_t injected_batch = 64;
constexpr std::size_t trim_batch = 16;
// In polls, that is, of 64 scheduling points: it reads the clock twice.
constexpr std::uint32_t sample_interval = 8;

/// The lines that a switch and the returns behind it will read, from deep in a call of ringo's up
/// to the user's frame; and what the fiber has captured. The first by a load, whose value nobody
/// waits for: a prefetch is dropped when the page is not in the TLB, and every stack has a page of
/// its own. The fiber may be a thief's by now. If it is about to begin there it has a stack, but
/// perhaps no place to resume at yet; if it runs, or has ended, that is an earlier one. Stacks are
/// never unmapped.
RINGO_NO_TSAN void prefetch_stack(const fiber& f) noexcept {
  if (f.memory().base == nullptr) return;  // not started yet
  // relaxed: see above
  const auto* saved = static_cast<const char*>(__atomic_load_n(&f.at.resume_at, __ATOMIC_RELAXED));
  if (saved == nullptr) return;
  if (!RINGO_ASAN)
    asm volatile("" ::"r"(*saved));  // (a frame that is gone may have left its marks there)
#pragma GCC unroll 16
  for (std::size_t line = 1; line < 10; ++line) __builtin_prefetch(saved + line * cache_line);
  __builtin_prefetch(&f.body);
}

/// Not before its stack.
void prefetch_subject(const fiber& f) noexcept {
  // relaxed: the caller has the fiber
  const park_kind* kind = f.kind.load(std::memory_order_relaxed);
  if (kind != nullptr && kind->fetch != nullptr) {
    kind->fetch(f.subject.load(std::memory_order_relaxed));  // relaxed: as above
  }
}

/// Of the caller's fibers, which may have been parked for long: all at once instead of one by one.
void prefetch_all(std::span<fiber* const> fibers) noexcept {
  for (const fiber* f : fibers) prefetch_stack(*f);
  for (const fiber* f : fibers) prefetch_subject(*f);
}

}  // namespace

void worker::run() noexcept {
  set_current_worker(this);
  set_worker_of_thread(this);
  thread_id_.store(static_cast<std::int32_t>(::syscall(SYS_gettid)));
  globals_ = thread_exception_state();
  adopt_thread_stack(loop_);
  stack_bottom.store(stack_of_thread().base);
  const signal_stack overflow_stack;
  sanitizer_release(sanitizer_world());
  while (fiber* f = find_work()) run_one(f);
  sanitizer_acquire(this);  // of every fiber that has run here
  // Everything this worker cached goes back, unless the run has given up on it meanwhile.
  fate expected = fate::working;
  if (!ending.compare_exchange_strong(expected, fate::left)) vanish();
  fiber_queue ended;
  source_->cancel_all(ended);
  owner_.inject_ended(*source_, ended);
  stacks_.flush();
  blocks_.flush();
  set_current_worker(nullptr);
  set_worker_of_thread(nullptr);
  owner_.worker_left();
}

/// An abandoned worker touches nothing any more: what it knew may be gone.
void worker::vanish() noexcept {
  for (;;) ::pause();
}

void worker::run_one(fiber* f) noexcept {
  departure away{
      &loop_, globals_, &worker::after_nothing, this, nullptr, nullptr, &worker::start_fiber};
  if (is_traced()) note_run(f, nullptr);
  switch_to(begin(f), away);
}

fiber* worker::find_work() noexcept {
  for (;;) {
    bool over = false;
    fiber* f = attend(over);
    if (over) return nullptr;
    // relaxed: set before the run began
    if (RINGO_UNLIKELY(exploring.load(std::memory_order_relaxed))) {
      if ((f = exploration::instance().choose(*this)) != nullptr) return f;
      collect(false);
      if (!has_work()) sleep();
      continue;
    }
    if (f == nullptr) {
      f = picked_.get();
      picked_.set(nullptr);
    }
    if (f == nullptr && ticks_.get() % poll_interval == 0) {
      ticks_.set(ticks_.get() + 1);
      f = poll();
    }
    if (f == nullptr) f = take_local();
    if (f == nullptr) f = take_injected();
    if (f == nullptr) {
      collect(true);
      if (has_work()) continue;  // timers may also make fibers ready by themselves
      f = search();
    }
    if (f == nullptr) {
      if (stack_pool::trim_all(trim_batch) || owner_.trim().step(owner_, steady_clock::now())) {
        collect(false);
      } else {
        sleep();
      }
      continue;
    }
    if (searching_) {
      searching_ = false;
      if (owner_.gate().found_work()) owner_.wake_one();
    }
    // relaxed: the fiber is queued, so that it cannot change this
    worker* home = f->pinned_to.load(std::memory_order_relaxed);
    if (home == nullptr || home == this) return f;
    if (is_stamp(home)) {
      note_wait(*f);
      return f;
    }
    if (owner_.hand_over(*this, *home, f)) {
      rest();
    } else {
      owner_.inject(f);  // somebody has taken the token: attend() sees the mark
    }
  }
}

/// What others asked of this worker. May return a fiber to run.
fiber* worker::attend(bool& over) noexcept {
  for (;;) {
    const std::uint32_t asked = attention_.load();
    if (RINGO_LIKELY((asked & ~(explored | notes)) == 0)) return nullptr;
    const bool is_pinned = (asked & pinned) != 0;
    if ((asked & forked) != 0) refuse_after_fork();
    if ((asked & halted) != 0) {
      stand_still(*this);
      continue;
    }
    if ((asked & stop) != 0) {
      over = true;
      return nullptr;
    }
    if ((asked & (token_lost | token_asked)) != 0) {
      attention_.fetch_and(~static_cast<std::uint32_t>(token_lost | token_asked));
      if (is_traced() && (asked & token_lost) != 0) note_mark("turn lost", 0);
      owner_.give_up_token(*this);
      if (!owner_.becomes_spare(*this, is_pinned)) rest();
    } else if (is_pinned) {
      // The thread is its pinned fiber's alone: either that runs now, or the token goes to another
      // thread.
      drain();
      if (fiber* f = owner_.take_handed_or_give_token(*this)) return f;
      rest();
    }
  }
}

bool worker::has_work() const noexcept {
  return !next_.empty() || !queue_.empty();
}

fiber* worker::poll() noexcept {
  // Ahead of what ends now, which is queued first.
  if (ticks_.get() / poll_interval % sample_interval == 0) attention_.fetch_or(sample_due);
  collect(false);
  // A pair that keeps waking each other through the run-next slot shares one slice; here it ends.
  // Nobody is woken for it: this worker gets to it as soon as it would have.
  if (fiber* f = next_.take(); f != nullptr && !queue_.push(f)) push_back(f);
  prefetch_queued();
  fiber* f = nullptr;
  if (owner_.injected().take(&f, 1) == 1) return f;
  if (ticks_.get() / poll_interval % 64 == 0) {
    stack_pool::trim_all(trim_batch);
    owner_.follow_cpus(steady_clock::now());
  }
  return nullptr;
}

fiber* worker::take_injected() noexcept {
  inject_queue& queue = owner_.injected();
  const std::uint32_t share = queue.size() / owner_.tokens() + 1;
  std::array<fiber*, injected_batch> batch;
  const std::uint32_t count = queue.take(batch.data(), std::min(share, injected_batch));
  if (count == 0) return nullptr;
  prefetch_all({batch.data(), count});
  for (std::uint32_t i = 1; i < count; ++i) {
    if (!queue_.push(batch[i])) push_back(batch[i]);
  }
  if (count > 1 && owner_.gate().help_needed()) owner_.wake_one();
  return batch[0];
}

/// How many fibers, of which nobody else knows yet, it has queued here.
std::uint32_t worker::enqueue_all(fiber_queue& fibers) noexcept {
  std::array<fiber*, poll_interval> batch;
  for (std::uint32_t total = 0;;) {
    std::uint32_t count = 0;
    while (count < batch.size() && (batch[count] = fibers.pop()) != nullptr) ++count;
    if (count == 0) return total;
    const bool soon = count > 1 && queue_.size() < poll_interval;
    if (soon) prefetch_all({batch.data(), count});
    for (std::uint32_t i = 0; i < count; ++i) {
      note_queued(*batch[i]);
      enqueue(batch[i]);
    }
    total += count;
  }
}

/// Queues the fibers whose operations have ended, behind all that wait: those in the inject queue
/// would otherwise be overtaken again and again by connections that are ready soon after. How many
/// it has queued here, of which nobody else knows yet.
std::uint32_t worker::push_ended(fiber_queue& ended) noexcept {
  if (!owner_.injected().empty()) {
    owner_.inject_ended(*source_, ended);
    return 0;
  }
  std::uint32_t count = 0;
  const std::uint32_t taken = wake_all(ended, count);
  enqueue_all(ended);
  source_->handed_over(taken);
  return count;
}

/// For those that run until the next poll.
void worker::prefetch_queued() const noexcept {
  queue_.peek(poll_interval, prefetch_stack);
}

/// After so many fibers were queued here: somebody who sleeps may have a share in them. The first
/// is for the caller itself if it has nothing else to do.
void worker::share(std::uint32_t count, bool idle) noexcept {
  if (count > (idle ? 1U : 0U) && owner_.gate().help_needed()) owner_.wake_one();
}

/// Nobody's work is there to be looked for: completions are collected by the call that sleeps.
bool worker::sleep_comes_next() const noexcept {
  return owner_.worker_count() == 1;
}

/// How many fibers it has queued here, of which nobody else knows yet.
std::uint32_t worker::expire_timers() noexcept {
  read_clock();
  fiber_queue ready_fibers;
  if (timers_.next() != never) timers_.expire(steady_clock::now(), ready_fibers);
  return enqueue_all(ready_fibers);
}

/// The completions, of which as many as fibers are queued get their turn: neither keeps the other
/// back. How many fibers it has queued here, of which nobody else knows yet.
std::uint32_t worker::reap() noexcept {
  const std::uint32_t wanted = std::min(queue_.size(), poll_interval);
  fiber_queue ended;
  for (std::uint32_t done = 0;; done += engine::batch_max) {
    const bool more = source_->reap(ended);
    if (done + engine::batch_max >= wanted || !more) break;
  }
  return push_ended(ended);
}

/// Takes what timers and completions have made ready.
void worker::collect(bool idle) noexcept {
  const std::uint64_t traced_from = trace_time();
  const std::uint64_t calls = traced_from != 0 ? source_->calls() : 0;
  std::uint32_t count = expire_timers();
  if (!idle || !sleep_comes_next()) {
    count += reap();
  }
  if (RINGO_UNLIKELY(traced_from != 0)) note_poll(traced_from, calls, count);
  share(count + (next_.empty() ? 0 : 1), idle);  // timers make fibers ready by themselves, too
}

/// Sets calm_ if it leaves a queue alone for now.
fiber* worker::steal(time_point now) noexcept {
  const std::uint32_t count = owner_.worker_count();
  steal_order order(count, random_below(count), random_below(count));
  const bool patient = owner_.spinning_pays();  // else whoever owns the queue may not have a CPU
  if (patient) patience_.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    worker* victim = owner_.worker_at(order.next());
    if (victim == nullptr || victim == this || victim->queue_.empty()) continue;
    if (patient && !patience_.is_over(victim->index_, victim->queue_, now)) {
      calm_ = true;
      continue;
    }
    if (fiber* f = victim->queue_.steal_half(queue_)) {
      steals_.set(steals_.get() + 1);
      if (is_traced()) note_mark("steal", victim->index_);
      return f;
    }
  }
  return nullptr;
}

/// Looks for work elsewhere, for a little while: in the hope to save a sleep and a wake-up, and to
/// see whether what is queued elsewhere stays there. The budget follows what spinning has brought
/// lately.
fiber* worker::search() noexcept {
  calm_ = false;
  if (!searching_) searching_ = owner_.gate().start_searching(owner_.tokens());
  if (!searching_) return nullptr;
  time_point now = steady_clock::now();
  const time_point start = now;
  for (;;) {
    fiber* f = steal(now);
    if (f == nullptr) f = take_injected();
    if (f != nullptr) {
      spin_us_ = std::min(spin_us_max, spin_us_ + spin_us_ / 2 + 1);
      return f;
    }
    if (!owner_.spinning_pays() || (attention_.load() & ~notes) != 0) return nullptr;
    const auto budget = std::chrono::microseconds(calm_ ? spin_us_max : spin_us_);
    if (now - start >= budget || timers_.next() <= now) break;
    for (int i = 0; i < 16; ++i) cpu_pause();
    now = steady_clock::now();
  }
  spin_us_ = std::max(spin_us_min, spin_us_ / 2);
  return nullptr;
}

void worker::sleep() noexcept {
  idle_gate& gate = owner_.gate();
  if (searching_) {
    searching_ = false;
    gate.stop_searching();
  }
  owner_.follow_cpus(steady_clock::now());
  sleeps_.set(sleeps_.get() + 1);
  const auto kind = gate.sleep(this, calm_);
  const bool work = kind.calm ? !owner_.injected().empty() : owner_.work_visible();
  fiber_queue ended;
  if (!work && (attention_.load() & ~(explored | notes)) == 0) {
    time_point deadline = timers_.next();
    if (kind.calm) {
      deadline = std::min(deadline, steady_clock::now() + idle_gate::calm_nap);
    }
    if (kind.last) owner_.check_deadlock();
    const std::uint64_t traced_from = trace_time();
    active_.store(false);
    source_->wait(deadline, ended);
    runs_again();
    read_clock();
    if (RINGO_UNLIKELY(traced_from != 0)) note_span("sleep", traced_from, 0);
  }
  // Taken out by a waker: it has counted this worker as searching. And who queued work during a nap
  // relied on its end: this worker looks, unless another one does.
  if (!gate.leave(this, kind)) {
    searching_ = true;
  } else if (kind.calm) {
    searching_ = gate.start_searching(owner_.tokens());
  }
  // Not before, or this worker might be the one that is woken for it.
  const std::uint32_t count = push_ended(ended);
  share(count, !searching_);
}

/// For the monitor: this worker may get stuck from now on, and not since before it slept.
void worker::runs_again() noexcept {
  ticks_.set(ticks_.get() + 1);
  active_.store(true);
  owner_.stir_monitor();
}

/// Everything queued here goes to where others find it.
void worker::drain() noexcept {
  fiber* f = picked_.get();
  picked_.set(nullptr);
  if (f == nullptr) f = take_local();
  if (f == nullptr) return;
  for (; f != nullptr; f = take_local()) owner_.injected().push(f);
  owner_.offer_work();
}

bool worker::others_wait() const noexcept {
  return has_work() || !owner_.injected().empty();
}

/// Says that it blocks before it looks for others that wait; who queues work looks for workers that
/// block after it (scheduler::offer_work()). So not both miss the other.
void worker::begin_blocking() {
  source_->leave();
  if (RINGO_UNLIKELY(exploring.load()) || abandoned()) return;
  blocked_.store(blocked_state::has_token);
  owner_.count_blocked(1);
  if (is_traced()) note_blocking_begins();
  full_fence();  // pairs with idle_gate::wake_needed()
  if (!others_wait()) return;
  drain();
  owner_.pass_token_on(*this);
}

void worker::end_blocking() noexcept {
  source_->come_back();
  ticks_.set(ticks_.get() + 1);  // for the monitor: it has come by
  if (blocked_.exchange(blocked_state::no) == blocked_state::has_token) owner_.count_blocked(-1);
  owner_.stir_monitor();
  if (RINGO_UNLIKELY(blocking_since_.get() != 0)) note_blocking_ends();
  // Goes on where there is a token; or never, if the run has ended.
  if ((attention_.load() & (token_lost | stop | forked)) != 0) yield();
}

/// Without a run token: sleeps until one comes, and still serves its own timers and completions.
void worker::rest() noexcept {
  if (searching_) {
    searching_ = false;
    owner_.gate().stop_searching();
  }
  drain();
  // A submitter may have counted on this worker as a searcher.
  if (owner_.work_visible()) owner_.offer_work();
  for (;;) {
    if (owner_.rest_begins(*this)) return;
    fiber_queue ended;
    const std::uint64_t traced_from = trace_time();
    active_.store(false);
    source_->wait(timers_.next(), ended);
    runs_again();
    if (RINGO_UNLIKELY(traced_from != 0)) note_span("rest", traced_from, 0);
    if ((attention_.load() & halted) != 0) stand_still(*this);
    owner_.inject_ended(*source_, ended);
    if (owner_.rest_ends(*this)) return;
    fiber_queue ready_fibers;
    timers_.expire(steady_clock::now(), ready_fibers);
    while (fiber* f = ready_fibers.pop()) {
      note_queued(*f);
      owner_.inject(f);
    }
    source_->reap(ended);
    owner_.inject_ended(*source_, ended);
    drain();  // what a timer made ready by itself
  }
}

}  // namespace ringo::detail
