#include <algorithm>

#include <pthread.h>
#include <sched.h>

#include <ringo/detail/assert.hpp>

#include "base/futex.hpp"
#include "base/print.hpp"
#include "fiber/name_guard.hpp"
#include "fiber/sanitizer.hpp"
#include "fiber/switch.hpp"
#include "sched/exploration.hpp"
#include "sched/leftovers.hpp"
#include "sched/locals.hpp"
#include "sched/scheduler.hpp"
#include "sched/symbol.hpp"
#include "sched/tracer.hpp"
#include "source/pipe_pool.hpp"

/// The end of a run; the steps are in scheduler.hpp.

namespace ringo::detail {
namespace {

void name_abandoned(const fiber& f, const char* doing) noexcept {
  const char* name = f.name.load();
  print_error(
      "ringo: the run has ended while fiber %llu%s%s%s still %s; abandoned (spawned at %s)\n",
      static_cast<unsigned long long>(f.id.load()),
      name != nullptr ? " \"" : "",
      name != nullptr ? name : "",
      name != nullptr ? "\"" : "",
      doing,
      symbol_of(f.spawn_site.load()).text);
}

void discard(fiber& f) noexcept {
  const park_kind* kind = f.kind.exchange(nullptr);
  if (kind != nullptr && kind->dropped != nullptr && f.current_state() == fiber_state::runnable) {
    kind->dropped(f.subject.load());
  }
  // Neither the body nor what lives on the stack is destroyed: Go's rule, and an ASan build keeps
  // the stack, so that what it points to is not a leak.
  free_name(f);
  release_locals_memory(f);
  release_context(f.at);
  const stack memory = f.memory();
  sanitizer_release(memory.base);
  if (memory.base != nullptr && !RINGO_ASAN) stack_pool::of(memory.size).give_back(&memory, 1);
  f.stack_base.store(nullptr);
  f.bubbled.store(fiber::in_bubble::no);
  f.set(fiber_state::unused);
  sanitizer_release(&f);
  if (RINGO_ASAN) return;  // what its body holds is not a leak either
  fiber* block = &f;
  fiber_registry::instance().give_back(&block, 1);
}

}  // namespace

void scheduler::worker_left() noexcept {
  left_.fetch_add(1);
  futex_wake(left_, 1);
}

std::size_t scheduler::stop() noexcept {
  if (!exploring.load()) monitor_.pause();
  {
    // Under the lock: no worker can be added behind the loop's back.
    spin_guard guard(token_lock_);
    start_unstarted();  // they are counted: let them come, and leave
    stopping_.store(true);
    running_.store(false);
    for (std::uint32_t i = 0; i < worker_count(); ++i) worker_at(i)->call(worker::stop);
  }
  const time_point until = deadline_after(steady_clock::now(), settings_.exit_grace);
  wait_for_workers(until);
  stop_files(until);
  if (!exploring.load()) monitor_.stop();
  while (waking_.load() != 0) ::sched_yield();
  for (std::uint32_t i = 0; i < worker_count(); ++i) sanitizer_acquire(worker_at(i));
  while (visitors_.load() != 0) ::sched_yield();
  pipe_pool::instance().close_all();
  report_leftovers();
  const std::size_t left_over = reclaim_leftovers();
  spin_guard guard(token_lock_);
  // What channels still hold timers for fires in the next run, which may have fewer workers.
  for (std::size_t i = 1; i < heaps_.size(); ++i) heaps_[i]->move_all(*heaps_[0]);
  const std::uint32_t count = count_.exchange(0);
  bool abandoned = false;
  for (std::uint32_t i = 0; i < count; ++i) abandoned |= worker_at(i)->abandoned();
  for (std::uint32_t i = 0; i < count; ++i) {
    worker* w = worker_at(i);
    if (w->counts_as_relieved()) count_blocked(-1);
    w->set_token(false);  // an abandoned one must not pass it on to the next run
    if (w->abandoned()) continue;
    tracer::instance().detach(*w);
    if (!abandoned) delete w;
  }
  // An abandoned thread may be looking at the table, or at the engine that a descriptor is
  // registered with.
  if (abandoned) kept_tables_.push_back(std::move(workers_));
  spares_.clear();
  threads_.clear();
  surplus_ = 0;
  gate_.reset();
  stopping_.store(false);
  return left_over;
}

void scheduler::wait_for_workers(time_point until) noexcept {
  for (;;) {
    const std::uint32_t left = left_.load();
    const auto patience = until - steady_clock::now();
    if (left == worker_count() || patience.count() <= 0) break;
    futex_wait(left_, left, patience);
  }
  for (std::uint32_t i = 0; i < worker_count(); ++i) {
    worker& w = *worker_at(i);
    auto expected = worker::fate::working;
    abandoned_any_.store(true);  // taken back below if nobody is
    // Only who is in user code is given up; a worker's own loop leaves, as soon as it gets a CPU.
    while (w.ending.load() == worker::fate::working && w.current() == nullptr) ::sched_yield();
    if (w.ending.compare_exchange_strong(expected, worker::fate::abandoned)) {
      if (const fiber* f = w.current()) name_abandoned(*f, "runs on its thread");
      abandoned_threads_.push_back(w.thread_id());
      abandoned_workers_.push_back(&w);
      ::pthread_detach(threads_[i]);
    } else {
      ::pthread_join(threads_[i], nullptr);
    }
  }
  abandoned_any_.store(!abandoned_threads_.empty());
}

/// What a call may still write to is kept: the stacks, and the fibers.
void scheduler::stop_files(time_point until) noexcept {
  for (const file_pool::leftover& left : files_.stop(until)) {
    fiber& f = *left.who;
    for (const worker* w : abandoned_workers_) {
      while (w->departing() == &f) ::sched_yield();
    }
    name_abandoned(f, "waits for a call on a file");
    f.kind.load()->dropped(f.subject.load());
    f.set(fiber_state::lost);
    abandoned_threads_.push_back(left.thread);
  }
}

bool scheduler::is_abandoned_thread(std::int32_t thread_id) const noexcept {
  return std::find(abandoned_threads_.begin(), abandoned_threads_.end(), thread_id) !=
         abandoned_threads_.end();
}

/// Discards every fiber that is in a run queue. Nobody else may use the queues of the workers.
std::size_t scheduler::drop_queued() noexcept {
  std::size_t count = 0;
  const auto drop = [&count](fiber* f) {
    if (f == nullptr) return;
    discard(*f);
    ++count;
  };
  for (std::uint32_t i = 0; i < worker_count(); ++i) {
    worker& w = *worker_at(i);
    if (w.abandoned()) {
      // It may still be running: its queues are emptied as a thief would.
      drop(w.next_.rob());
      run_queue loot;
      while (fiber* f = w.queue_.steal_half(loot)) {
        drop(f);
        while (fiber* more = loot.pop()) drop(more);
      }
      continue;
    }
    drop(w.handed);
    drop(w.picked_.get());
    drop(w.next_.take());
    while (fiber* f = w.queue_.pop()) drop(f);
  }
  while (fiber* f = exploration::instance().take_left_over()) drop(f);
  fiber* f = nullptr;
  while (injected_.take(&f, 1) == 1) drop(f);
  return count;
}

std::size_t scheduler::reclaim_leftovers() noexcept {
  std::size_t count = drop_queued();
  std::size_t coming = 0;  // a plain thread has woken it and will queue it in a moment
  fiber_registry::instance().for_each([&](fiber& f) {
    const fiber_state state = f.current_state();
    if (f.is_thread) return;  // asked after the state: a block may just have become a thread's
    if (state == fiber_state::runnable) {
      ++coming;
    } else if (state == fiber_state::parked) {
      for (const worker* w : abandoned_workers_) {
        while (w->departing() == &f) ::sched_yield();
      }
      if (f.current_state() != fiber_state::parked) return;  // lost
      if (!f.kind.load()->claim(f.subject.load())) {
        ++coming;
        return;
      }
      discard(f);
      ++count;
    }
  });
  const time_point patience = steady_clock::now() + std::chrono::seconds(1);
  while (coming > 0 && steady_clock::now() < patience) {
    fiber* f = nullptr;
    if (injected_.take(&f, 1) == 1) {
      discard(*f);
      ++count;
      --coming;
    } else {
      ::sched_yield();
    }
  }
  return count;
}

}  // namespace ringo::detail
