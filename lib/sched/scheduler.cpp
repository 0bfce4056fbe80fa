#include "sched/scheduler.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <pthread.h>

#include <ringo/detail/assert.hpp>
#include <ringo/error.hpp>

#include "base/fence.hpp"
#include "base/futex.hpp"
#include "base/print.hpp"
#include "fiber/sanitizer.hpp"
#include "sched/current.hpp"
#include "sched/deadlock.hpp"
#include "sched/exploration.hpp"
#include "sched/park.hpp"
#include "sched/parked_watch.hpp"
#include "sched/traceback.hpp"
#include "sched/tracer.hpp"

namespace ringo::detail {

scheduler& scheduler::instance() noexcept {
  static auto& the_one = *new scheduler;
  return the_one;
}

namespace {

/// What RINGO_LOG=engine asks for.
void log_engine(const char* text, std::error_code refused, const char* note) {
  const char* log = std::getenv("RINGO_LOG");  // NOLINT(concurrency-mt-unsafe)
  if (log == nullptr || std::strstr(log, "engine") == nullptr) return;
  print_error("ringo: engine %s%s%s%s\n",
              text,
              refused ? " (io_uring: " : "",
              refused ? refused.message().c_str() : "",
              refused ? ")" : note);
}

}  // namespace

std::unique_ptr<engine> scheduler::spare_engine(std::error_code& error) const {
  auto made = make_engine(engine_used_, error);
  if (made || engine_used_ == engine_kind::epoll) return made;
  const std::error_code refused = error;
  made = make_engine(engine_kind::epoll, error);
  if (made) log_engine("epoll for another worker", refused, "");
  return made;
}

/// The first workers use one kind of engine; `automatic` falls back to epoll when any ring is
/// refused.
void scheduler::choose_engine(std::vector<std::unique_ptr<engine>>& engines) {
  using choice = settings::engine_choice;
  std::error_code refused;
  const auto make_all = [&](engine_kind kind) {
    engine_used_ = kind;
    engines.clear();
    std::error_code error;
    while (engines.size() < settings_.workers) {
      engines.push_back(make_engine_patiently(kind, error));
      if (error) return error;
    }
    return error;
  };
  if (settings_.engine != choice::epoll) refused = make_all(engine_kind::io_uring);
  if (settings_.engine == choice::io_uring && refused) {
    panic("run: engine io_uring: " + refused.message());
  }
  if (settings_.engine == choice::epoll || refused) {
    if (const auto error = make_all(engine_kind::epoll))
      panic("run: engine epoll: " + error.message());
  }
  log_engine(engine_used_ == engine_kind::epoll ? "epoll" : "io_uring",
             refused,
             settings_.engine == choice::automatic ? "" : " (asked for)");
}

worker* scheduler::add_worker(std::unique_ptr<engine> source) {
  const std::uint32_t index = count_.load();
  if (index >= settings_.threads_max) fatal("thread limit reached");
  if (heaps_.size() <= index) heaps_.push_back(std::make_unique<timer_heap>());
  auto* w = new worker(*this, index, *heaps_[index], std::move(source));
  w->stacks_.set_size(settings_.stack_size);
  sanitizer_release(sanitizer_world());
  workers_[index].store(w, std::memory_order_release);  // pairs with worker_at()
  count_.store(index + 1, std::memory_order_release);   // pairs with worker_count()
  gate_.thread_starts();
  tracer::instance().attach(*w);
  return w;
}

void scheduler::start_thread(worker* w) {
  const worker* here = worker_of_thread();
  if (here != nullptr && !here->is_pinned()) return start_thread_here(w);
  unstarted_.push_back(w);
  call_caller();
}

void scheduler::call_caller() noexcept {
  for_caller_.fetch_add(2);
  futex_wake(for_caller_, 1);
}

void scheduler::start_unstarted() {
  for (worker* w : unstarted_) start_thread_here(w);
  unstarted_.clear();
}

void scheduler::serve_until_main_ended() noexcept {
  parked_watch watch;
  for (;;) {
    const std::uint32_t seen = for_caller_.load();
    if ((seen & 1) != 0) return;
    serve_reports();
    watch.step();
    {
      spin_guard guard(token_lock_);
      start_unstarted();
    }
    files_.start_threads();
    futex_wait(for_caller_, seen, watch.patience());
  }
}

void scheduler::main_ended() noexcept {
  for_caller_.fetch_or(1);
  futex_wake(for_caller_, 1);
}

void scheduler::start_thread_here(worker* w) {
  pthread_t thread{};
  const auto body = [](void* self) -> void* {
    static_cast<worker*>(self)->run();
    return nullptr;
  };
  if (::pthread_create(&thread, nullptr, body, w) != 0) {
    fatal("thread limit reached: the kernel refuses another thread (RLIMIT_NPROC or pids.max)");
  }
  keep_thread(w, thread);
}

void scheduler::keep_thread(worker* w, pthread_t thread) {
  std::array<char, 16> name{};
  std::snprintf(name.data(), name.size(), "ringo-%u", w->index());
  ::pthread_setname_np(thread, name.data());
  if (threads_.size() <= w->index()) threads_.resize(w->index() + 1);
  threads_[w->index()] = thread;
}

void scheduler::start(const settings& wanted) {
  start_workers(wanted);
  if (!exploring.load()) monitor_.start();
}

void scheduler::start_workers(const settings& wanted) {
  prepare_heavy_fence();
  settings_ = wanted;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &signal_mask_);
  next_engine_generation();
  drop_queued();  // a plain thread's go() may have come too late for the run before
  std::vector<std::unique_ptr<engine>> engines;
  choose_engine(engines);
  spin_guard guard(token_lock_);
  workers_ = std::make_unique<std::atomic<worker*>[]>(settings_.threads_max);
  tokens_.store(settings_.workers);
  cpus_.store(settings_.cpus);
  follows_cpus_.store(settings_.workers_by_default);
  cpus_at_.store(steady_clock::now().time_since_epoch().count());
  external_spawned_.store(0);
  handoffs_.store(0);
  for (auto& source : engines) add_worker(std::move(source))->set_token(true);
  left_.store(0);
  for_caller_.store(0);
  files_.open(settings_.cpus);
  running_.store(true);
  for (std::uint32_t i = 0; i < settings_.workers; ++i) {
    // Again: a trace that began meanwhile has not looked at a runtime that does not run.
    tracer::instance().attach(*worker_at(i));
    start_thread_here(worker_at(i));
  }
}

void scheduler::inject(fiber* f) noexcept {
  injected_.push(f);
  offer_work();
}

void scheduler::inject_all(fiber** fibers, std::uint32_t count) noexcept {
  injected_.push_all(fibers, count);
  offer_work();
}

std::uint32_t scheduler::inject_ended(engine& source, fiber_queue& ended) noexcept {
  std::uint32_t count = 0;
  const std::uint32_t taken = wake_all(ended, count);
  if (worker* w = current_worker(); w != nullptr && w->takes_notes()) {
    fiber_queue noted;
    while (fiber* f = ended.pop()) {
      w->note_queued(*f);
      noted.push(f);
    }
    ended = noted;
  }
  if (count != 0) injected_.push_all(ended, count);
  source.handed_over(taken);
  if (count != 0) offer_work();
  return taken;
}

void scheduler::offer_work() noexcept {
  if (gate_.wake_needed()) return wake_one();
  // relaxed: the gate has made a fence; see worker::begin_blocking()
  if (RINGO_UNLIKELY(blocked_.load(std::memory_order_relaxed) != 0) && gate_.all_busy()) {
    relieve_one_that_blocks();
  }
}

void scheduler::wake_one() noexcept {
  waking_.fetch_add(1);
  if (worker* chosen = gate_.wake_one()) chosen->source().wake();
  waking_.fetch_sub(1);
}

bool scheduler::work_visible() const noexcept {
  if (!injected_.empty()) return true;
  const std::uint32_t count = worker_count();
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!worker_at(i)->queue().empty()) return true;
  }
  return false;
}

timer_heap& scheduler::shared_timers() noexcept {
  spin_guard guard(token_lock_);
  if (heaps_.empty()) heaps_.push_back(std::make_unique<timer_heap>());
  return *heaps_.front();
}

void scheduler::timer_added() noexcept {
  spin_guard guard(token_lock_);
  if (!running_.load() || worker_count() == 0) return;
  // One that is busy comes by, or the monitor sees to it; a wake-up might disturb what it does.
  full_fence();  // pairs with idle_gate::sleep()
  if (worker_at(0)->current() == nullptr) {
    worker_at(0)->source().wake();
  } else {
    stir_monitor();
  }
}

std::size_t scheduler::num_fibers() const noexcept {
  std::uint64_t ended = 0;
  const std::uint32_t count = worker_count();
  // Ends first: a fiber that ends meanwhile is counted as alive, never the other way round.
  for (std::uint32_t i = 0; i < count; ++i) ended += worker_at(i)->ended();
  const std::uint64_t spawned = num_spawned();
  return spawned > ended ? spawned - ended : 0;
}

std::uint64_t scheduler::num_spawned() const noexcept {
  std::uint64_t spawned = external_spawned_.load();
  const std::uint32_t count = worker_count();
  for (std::uint32_t i = 0; i < count; ++i) spawned += worker_at(i)->spawned();
  return spawned;
}

bool scheduler::pending_operations() const noexcept {
  const std::uint32_t count = worker_count();
  // Ends first, as in num_fibers(); and then those that have ended but are not queued yet.
  const std::uint64_t ended = waits_ended();
  std::uint64_t begun = 0;
  for (std::uint32_t i = 0; i < count; ++i) begun += worker_at(i)->source().waits_begun();
  if (begun != ended) return true;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (worker_at(i)->source().busy()) return true;
  }
  return false;
}

bool scheduler::pending_timers() const noexcept {
  return std::any_of(
      heaps_.begin(), heaps_.end(), [](const auto& heap) { return heap->next() != never; });
}

void scheduler::expect_outside(int change) noexcept {
  // Every worker may have gone to sleep while it was expected: one looks again.
  if (outside_.fetch_add(change) + change != 0) return;
  visit([](scheduler& s) {
    if (s.gate_.awake() == 0) s.wake_one();
  });
}

void scheduler::adopt_thread(std::int32_t thread_id) noexcept {
  for (auto& place : adopted_threads_) {
    std::int32_t nobody = 0;
    if (place.compare_exchange_strong(nobody, thread_id)) return;
  }
}

void scheduler::disown_thread(std::int32_t thread_id) noexcept {
  for (auto& place : adopted_threads_) {
    std::int32_t expected = thread_id;
    if (place.compare_exchange_strong(expected, 0)) return;
  }
}

bool scheduler::is_adopted_thread(std::int32_t thread_id) const noexcept {
  return std::any_of(adopted_threads_.begin(), adopted_threads_.end(), [=](const auto& place) {
    return place.load() == thread_id;
  });
}

bool scheduler::nothing_can_happen() noexcept {
  // In this order: what is expected from outside is pending until its fiber is queued, and whoever
  // takes a fiber from a queue is awake.
  if (!armed_.load() || outside_.load() != 0 || pending_operations() || work_visible() ||
      gate_.awake() != 0) {
    return false;
  }
  spin_guard guard(token_lock_);
  // What the monitor has taken out of a heap is expected from outside.
  return !pending_timers() && outside_.load() == 0;
}

void scheduler::check_deadlock() noexcept {
  // Asked again after the look at the threads: a foreign thread may have made a fiber ready before
  // that look, and have ended. Once it is gone, what it did is seen.
  if (nothing_can_happen() && !foreign_threads(*this, caller_thread_.load()) &&
      nothing_can_happen() && armed_.exchange(false)) {  // one report
    report_deadlock(*this);
  }
}

}  // namespace ringo::detail
