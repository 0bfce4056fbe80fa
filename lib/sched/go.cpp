#include <ringo/go.hpp>

#include <atomic>
#include <cstring>
#include <memory>
#include <new>
#include <thread>
#include <utility>

#include <ringo/blocking.hpp>
#include <ringo/detail/inspect.hpp>
#include <ringo/error.hpp>
#include <ringo/thread_pin.hpp>

#include "fiber/fiber.hpp"
#include "fiber/name_guard.hpp"
#include "fiber/sanitizer.hpp"
#include "sched/bubble.hpp"
#include "sched/current.hpp"
#include "sched/exploration.hpp"
#include "sched/fork_guard.hpp"
#include "sched/park.hpp"
#include "sched/scheduler.hpp"
#include "sched/uncaught.hpp"
#include "sched/worker_switch.hpp"

namespace ringo {
namespace detail {
namespace {

/// Numbers are given out to workers in blocks of 1024, so that a spawn shares no cache line. Block
/// 0 is for fibers that plain threads spawn first, the main fiber among them.
std::atomic<std::uint64_t> next_block{1};
std::atomic<std::uint64_t> next_outside{1};

std::uint64_t outside_id() noexcept {
  // Past the end of block 0 come numbers that no worker's block can reach.
  constexpr std::uint64_t beyond = std::uint64_t{1} << 62;
  const std::uint64_t id = next_outside.fetch_add(1);
  return id < 1024 ? id : beyond + id;
}

std::uint8_t stack_log2(const go_options& wanted, const scheduler& s) {
  std::size_t size = s.config().stack_size;
  if (wanted.stack_size != 0) {
    if (wanted.stack_size < stack_size_min || wanted.stack_size > stack_size_max) {
      panic("go: stack_size out of range");
    }
    size = stack_size_rounded(wanted.stack_size);
  }
  return static_cast<std::uint8_t>(std::countr_zero(size));
}

fiber* block_for_outsider(scheduler& s) {
  refuse_after_fork();
  if (!s.running()) panic("go: no runtime is running");
  fiber* f = nullptr;
  fiber_registry::instance().take(&f, 1);
  sanitizer_acquire(f);
  return f;
}

}  // namespace

prepared_fiber::prepared_fiber(const go_options& wanted, const void* site) {
  // relaxed throughout: published by start(), but for the name
  constexpr auto relaxed = std::memory_order_relaxed;  // relaxed: as above
  scheduler& s = scheduler::instance();
  const std::uint8_t size_log2 = stack_log2(wanted, s);
  std::unique_ptr<char[]> name;
  if (RINGO_UNLIKELY(!wanted.name.empty())) {
    name = std::make_unique<char[]>(wanted.name.size() + 1);  // zeros, so that it ends with one
    wanted.name.copy(name.get(), wanted.name.size());
  }
  worker* w = current_worker();
  if (w != nullptr) w->refuse_if_forked();
  fiber_ = w != nullptr ? w->take_block() : block_for_outsider(s);
  fiber_->id.store(w != nullptr ? w->next_fiber_id() : outside_id(), relaxed);
  fiber_->stack_size_log2.store(size_log2, relaxed);
  // release: pairs with whoever lists fibers, who may still hold this block for its last fiber's
  fiber_->name.store(name.release(), std::memory_order_release);
  fiber_->spawn_site.store(site, relaxed);
  fiber_->exiting.store(false, relaxed);
  fiber_->in_blocking.store(false, relaxed);
  fiber_->kind.store(nullptr, relaxed);
  fiber_->pins.store(0, relaxed);
  fiber_->pinned_to.store(nullptr, relaxed);
  fiber_->bubbled.store(fiber::in_bubble::no, relaxed);
  const fiber* spawner = w != nullptr ? w->current() : nullptr;  // null: a timer's
  group_ = spawner != nullptr ? bubble::of(*spawner) : bubble::current();
  body_ = &fiber_->body;
}

void prepared_fiber::start() noexcept {
  fiber* f = fiber_;
  fiber_ = nullptr;
  if (RINGO_UNLIKELY(group_ != nullptr)) group_->fiber_starts(*f);
  f->set(fiber_state::runnable);
  if (worker* w = current_worker()) {
    w->count_spawn();
    w->push_ready(f);
  } else {
    scheduler& s = scheduler::instance();
    s.count_external_spawn();
    s.inject(f);
  }
  explore_point();
}

fiber* prepared_fiber::start_unqueued() noexcept {
  fiber* f = std::exchange(fiber_, nullptr);
  if (RINGO_UNLIKELY(group_ != nullptr)) group_->fiber_starts(*f);
  f->set(fiber_state::runnable);
  if (worker* w = current_worker()) {
    w->count_spawn();
  } else {
    scheduler::instance().count_external_spawn();
  }
  return f;
}

void prepared_fiber::discard() noexcept {
  free_name(*fiber_);
  fiber_registry::instance().give_back(&fiber_, 1);
}

void panic_nil_function() {
  panic("go of nil func value");
}

std::uint64_t take_id_block() noexcept {
  return next_block.fetch_add(1);
}

blocking_section::blocking_section() noexcept : worker_(current_worker()) {
  if (worker_ == nullptr) return;
  auto* w = static_cast<worker*>(worker_);
  w->begin_blocking();
  w->current()->in_blocking.store(true, std::memory_order_relaxed);  // relaxed: for dumps
  set_current_worker(nullptr);
}

blocking_section::~blocking_section() {
  if (worker_ == nullptr) return;
  auto* w = static_cast<worker*>(worker_);
  set_current_worker(w);
  w->current()->in_blocking.store(false, std::memory_order_relaxed);  // relaxed: as above
  w->read_clock();
  w->end_blocking();
}

std::size_t parked_count() noexcept {
  std::size_t count = 0;
  fiber_registry::instance().for_each([&](const fiber& f) {
    count += !f.is_thread && f.current_state() == fiber_state::parked ? 1 : 0;
  });
  return count;
}

const char* wait_reason_of(std::uint64_t id) noexcept {
  const char* reason = nullptr;
  fiber_registry::instance().for_each([&](const fiber& f) {
    if (f.is_thread || f.current_state() != fiber_state::parked || f.id.load() != id) return;
    if (const park_kind* kind = f.kind.load()) reason = kind->reason;
  });
  return reason;
}

}  // namespace detail

void yield() noexcept {
  if (detail::worker* w = detail::current_worker()) {
    // relaxed: set before the run began
    if (RINGO_UNLIKELY(detail::exploring.load(std::memory_order_relaxed))) {
      detail::exploration::instance().yields();
    }
    w->yield();
  } else {
    std::this_thread::yield();
  }
}

void goexit() {
  if (detail::worker_of_thread() == nullptr) detail::panic("goexit on a thread that is no fiber");
  detail::fiber* self = detail::stack_owner();
  self->exiting.store(true);
  throw detail::goexit_signal(*self);
}

thread_pin::thread_pin() noexcept {
  detail::worker* w = detail::worker_of_thread();
  if (w == nullptr || detail::exploring.load()) return;  // there is one thread
  detail::fiber* self = w->current();
  if (self->pins.fetch_add(1) == 0) w->pin(self);
}

thread_pin::~thread_pin() {
  detail::worker* w = detail::worker_of_thread();
  if (w == nullptr || detail::exploring.load()) return;
  if (w->current()->pins.fetch_sub(1) == 1) w->unpin();
}

namespace this_fiber {

std::uint64_t id() noexcept {
  detail::worker* w = detail::worker_of_thread();
  return w != nullptr ? w->current()->id.load() : 0;
}

std::string_view name() noexcept {
  detail::worker* w = detail::worker_of_thread();
  const char* name = w != nullptr ? w->current()->name.load() : nullptr;
  return name != nullptr ? name : std::string_view{};
}

}  // namespace this_fiber
}  // namespace ringo
