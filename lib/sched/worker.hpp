#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include <ringo/detail/config.hpp>

#include "base/fence.hpp"
#include "base/random.hpp"
#include "fiber/fiber.hpp"
#include "sched/coarse_clock.hpp"
#include "sched/fork_guard.hpp"
#include "sched/run_next.hpp"
#include "sched/run_queue.hpp"
#include "sched/steal_patience.hpp"
#include "sched/trace_ring.hpp"
#include "sched/wait_counts.hpp"
#include "sched/worker_local.hpp"
#include "source/engine.hpp"
#include "source/timer_heap.hpp"

/// A worker: a thread that runs fibers.
///
/// It must hold a run token to do so. Its loop (find work, run it, sleep when there is none) has
/// the thread's own stack; a fiber that parks switches straight to the next fiber if there is one
/// in the run-next slot or the run queue, and to the loop when there is none, when something asks
/// for attention, and every `poll_interval` dispatches, so that the inject queue, timers and
/// completions are never starved by fibers that keep waking each other.

namespace ringo::detail {

class scheduler;

/// The first of 1024 numbers for fibers.
std::uint64_t take_id_block() noexcept;

class worker {
 public:
  worker(scheduler& owner, std::uint32_t index, timer_heap& timers, std::unique_ptr<engine> source);
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;
  ~worker() = default;

  std::uint32_t index() const noexcept { return index_; }
  fiber* current() const noexcept { return current_.get(); }
  timer_heap& timers() noexcept { return timers_; }
  engine& source() noexcept { return *source_; }
  const engine& source() const noexcept { return *source_; }

  /// Uniform in [0, bound).
  std::uint32_t random_below(std::uint32_t bound) noexcept;

  void restart_random(std::uint64_t seed) noexcept { random_.restart(seed); }

  // For the fiber that runs here.
  void park(const park_kind& kind, void* subject) noexcept;
  void yield() noexcept;
  /// Queues a fiber that the running one made ready.
  void push_ready(fiber* f) noexcept;
  /// The same for one that goes elsewhere: before it is queued.
  void note_queued(fiber& f) noexcept {
    if (takes_notes()) note_ready(f);
  }
  bool takes_notes() const noexcept {
    // relaxed: seen late, it is a few notes less
    return RINGO_UNLIKELY((attention_.load(std::memory_order_relaxed) & notes) != 0);
  }
  /// Queues a fiber behind all others of this worker.
  void push_back(fiber* f) noexcept;
  /// The same, but tells nobody.
  void enqueue(fiber* f) noexcept;
  /// Before a system call that does not wait: whether the running fiber has made so many of them in
  /// a row that it is the others' turn.
  bool calls_enough() noexcept {
    constexpr std::uint32_t calls_max = 64;
    const std::uint64_t now = ticks_.get();
    const std::uint32_t calls = calls_since_.get() == now ? calls_.get() + 1 : 1;
    calls_since_.set(now);
    calls_.set(calls);
    return calls > calls_max;
  }
  fiber* take_block() { return blocks_.take(); }
  std::uint64_t next_fiber_id() noexcept;
  /// The running fiber is about to block the thread: see blocking().
  void begin_blocking();
  /// The thread is back. May park.
  void end_blocking() noexcept;
  /// Fatal in the child of a fork.
  void refuse_if_forked() const noexcept {
    // relaxed: set by this thread itself
    if (RINGO_UNLIKELY((attention_.load(std::memory_order_relaxed) & forked) != 0)) {
      refuse_after_fork();
    }
  }
  void count_spawn() noexcept { spawned_.set(spawned_.get() + 1); }
  /// By the running fiber, the main one, at its end: none comes after it here.
  void run_no_more() noexcept { attention_.fetch_or(stop); }
  /// Fibers that park from now on are noted as parked now.
  void read_clock() noexcept { clock_.set(coarse_now()); }
  bool is_pinned() const noexcept { return (attention_.load() & pinned) != 0; }
  void pin(fiber* f) noexcept;
  void unpin() noexcept;

  /// The body of the thread.
  void run() noexcept;
  /// Where every fiber begins.
  static context& start_fiber(departure& last) noexcept;

  // For other threads.
  enum attention : std::uint32_t {
    stop = 1,         ///< the run is over: leave
    pinned = 2,       ///< a fiber has this thread for itself
    token_asked = 4,  ///< there are fewer run tokens than before: perhaps give up yours
    token_lost = 8,   ///< the run token went elsewhere: its fiber blocks the thread, or is late
    forked = 16,      ///< this is the child of a fork: the other threads do not exist
    halted = 64,      ///< stand still until that is over: see world_stop.hpp
    explored = 32,    ///< every choice is the exploration's; for the whole run
    // The rest asks for notes only, and stops nobody.
    sample_due = 128,  ///< the next fiber that is queued here is one whose wait is measured
    traced = 256       ///< a trace is being written
  };
  static constexpr std::uint32_t notes = sample_due | traced;
  void go_on() noexcept { attention_.fetch_and(~static_cast<std::uint32_t>(halted)); }
  bool is_halted() const noexcept { return (attention_.load() & halted) != 0; }
  void call(attention bits) noexcept {
    attention_.fetch_or(bits);
    source_->wake();
  }
  /// The same for one that is busy with a fiber: whose thread a wake-up might disturb.
  void mark(attention bits) noexcept {
    attention_.fetch_or(bits);
    full_fence();  // pairs with idle_gate::sleep()
    // Or else it is about to sleep, and has perhaps not seen the mark.
    if (current() == nullptr) source_->wake();
  }
  /// Its token is gone, and it has not come by since.
  bool is_marked() const noexcept { return (attention_.load() & token_lost) != 0; }
  /// Neither asleep nor resting. Any thread.
  bool is_active() const noexcept { return active_.load(); }
  /// In blocking(). Any thread.
  bool is_blocked() const noexcept { return blocked_.load() != blocked_state::no; }
  bool blocks_with_token() const noexcept { return blocked_.load() == blocked_state::has_token; }
  /// True: it did block with a token, and now counts as without.
  bool counts_as_relieved() noexcept {
    auto expected = blocked_state::has_token;
    return blocked_.compare_exchange_strong(expected, blocked_state::relieved);
  }
  static constexpr std::uint32_t poll_interval = 64;  // scheduling points; a power of two
  const run_queue& queue() const noexcept { return queue_; }
  run_queue& queue() noexcept { return queue_; }
  run_next& next_slot() noexcept { return next_; }
  std::uint64_t ticks() const noexcept { return ticks_.get(); }
  std::uint64_t spawned() const noexcept { return spawned_.get(); }
  std::uint64_t ended() const noexcept { return ended_.get(); }
  std::uint64_t steals() const noexcept { return steals_.get(); }
  std::uint64_t sleeps() const noexcept { return sleeps_.get(); }
  std::uint64_t parks() const noexcept { return parks_.get(); }
  std::int32_t thread_id() const noexcept { return thread_id_.load(); }
  const wait_counts& waits() const noexcept { return waits_; }

  /// From now on it tells there what it does, and to whom. Until it has one no bit asks for it.
  void trace_to(trace_ring* ring) noexcept { trace_.store(ring); }
  trace_ring* trace() const noexcept { return trace_.load(); }
  void ask_for_trace(bool on) noexcept {
    if (on) {
      attention_.fetch_or(traced);
    } else {
      attention_.fetch_and(~static_cast<std::uint32_t>(traced));
    }
  }

  /// The end of a run: either the worker leaves user code in time, or it is given up.
  enum class fate : std::uint32_t { working, left, abandoned };
  std::atomic<fate> ending{fate::working};  // decided once, by compare-exchange
  bool abandoned() const noexcept { return ending.load() == fate::abandoned; }
  /// The fiber that after_park() is busy with, for the end of a run: until that is over it may not
  /// be claimed, since an abandoned thread may claim it too.
  fiber* departing() const noexcept {
    return departing_.load(std::memory_order_acquire);  // pairs with after_park()
  }

  std::atomic<std::uint32_t> stands_since{0};  // atomic: see world_stop.hpp
  /// While it stands: where the live part of its thread's stack begins. Atomic: as above.
  std::atomic<const void*> stands_at{nullptr};
  /// Where its thread's stack begins; null: nobody knows. Atomic: written as the thread starts.
  std::atomic<const void*> stack_bottom{nullptr};
  const context& loop() const noexcept { return loop_; }
  const departure& last_departure() const noexcept { return away_; }

  // Guarded by the scheduler's token lock.
  bool has_token() const noexcept { return has_token_; }
  void set_token(bool has) noexcept {
    has_token_ = has;
    source_->attend(has);
  }
  bool resting = false;     // not counted as awake
  fiber* handed = nullptr;  // pinned to this worker, and due to run here

 private:
  bool has_token_ = false;

  enum class blocked_state : std::uint8_t {
    no,
    has_token,  ///< in blocking(), counted by the scheduler: whoever brings work may take the token
    relieved    ///< in blocking(), without a token
  };

  // What each switch touches.
  worker_local<fiber*> current_;
  std::atomic<std::uint32_t> attention_;  // atomic: other threads set bits
  worker_local<std::uint64_t> ticks_;     // scheduling points
  worker_local<std::uint64_t> parks_;
  exception_state* globals_ = nullptr;  // this thread's; immutable after the start
  run_next next_;
  departure away_;  // of the fiber that leaves; see switch.hpp
  context loop_;    // the thread's own stack
  stack_cache stacks_;
  fiber_cache blocks_;
  worker_local<std::uint64_t> calls_since_;  // the scheduling point behind which they are counted
  worker_local<std::uint32_t> calls_;        // see calls_enough()
  worker_local<std::uint64_t> next_id_;
  worker_local<std::uint64_t> spawned_;
  worker_local<std::uint64_t> ended_;
  random_source random_;
  worker_local<coarse_tick> clock_{coarse_now()};  // when this thread last looked
  worker_local<fiber*> picked_;      // what a departing fiber left for the loop to run
  worker_local<fiber*> pin_holder_;  // the fiber that has this thread for itself

  scheduler& owner_;
  const std::uint32_t index_;
  timer_heap& timers_;
  std::unique_ptr<engine> source_;
  std::atomic<bool> active_{true};                         // atomic: for the monitor
  std::atomic<blocked_state> blocked_{blocked_state::no};  // atomic: see scheduler::relieve()
  bool searching_ = false;                                 // the loop's own
  bool calm_ = false;  // the loop's own: the last search found queues, but none worth stealing from
  std::uint32_t spin_us_ = 20;  // the loop's own
  steal_patience patience_;     // the loop's own
  worker_local<std::uint64_t> steals_;
  worker_local<std::uint64_t> sleeps_;
  wait_counts waits_;
  std::atomic<trace_ring*> trace_{nullptr};     // atomic: set by the tracer
  worker_local<std::uint64_t> blocking_since_;  // tick_now(); 0: not traced
  std::atomic<std::int32_t> thread_id_{0};
  std::atomic<fiber*> departing_{nullptr};

  run_queue queue_;

  using after_switch = void (*)(void*, const void*, void*) noexcept;
  enum class leaving : std::uint8_t { parks, yields, ends };
  void leave(
      fiber* self, after_switch after, const void* second, void* third, leaving how) noexcept;
  fiber* pick() noexcept;
  fiber* pick_queued() noexcept;
  context& begin(fiber* f) noexcept;
  context* end_fiber(fiber* self, departure& last) noexcept;
  void recycle(fiber* f) noexcept;
  static void after_park(void* self, const void* kind, void* subject) noexcept;
  static void after_yield(void* self, const void* unused, void* on) noexcept;
  static void after_end(void* self, const void* unused, void* on) noexcept;
  static void after_nothing(void* self, const void* unused, void* on) noexcept;

  // What is noted, in worker_notes.cpp.
  fiber* pick_noting(fiber& self, leaving how) noexcept;
  bool push_noting(fiber* f, std::uint32_t asked) noexcept;
  void note_ready(fiber& f) noexcept;
  void note_run(const fiber* next, const char* before) noexcept;
  void note_wait(fiber& f) noexcept;
  void note_blocking_begins() noexcept;
  void note_blocking_ends() noexcept;
  void note_poll(std::uint64_t since, std::uint64_t calls, std::uint32_t count) noexcept;
  void note_span(const char* what, std::uint64_t since, std::uint64_t number) noexcept;
  void note_mark(const char* what, std::uint64_t number) noexcept;
  /// tick_now(); 0: not traced.
  std::uint64_t trace_time() const noexcept;
  bool is_traced() const noexcept {
    // relaxed: seen late, it is a few events less
    return RINGO_UNLIKELY((attention_.load(std::memory_order_relaxed) & traced) != 0);
  }

  // The loop, in worker_loop.cpp.
  fiber* find_work() noexcept;
  fiber* attend(bool& over) noexcept;
  fiber* poll() noexcept;
  fiber* take_local() noexcept;
  fiber* take_injected() noexcept;
  bool has_work() const noexcept;
  bool sleep_comes_next() const noexcept;
  std::uint32_t expire_timers() noexcept;
  void collect(bool idle) noexcept;
  std::uint32_t enqueue_all(fiber_queue& fibers) noexcept;
  std::uint32_t push_ended(fiber_queue& ended) noexcept;
  std::uint32_t reap() noexcept;
  void prefetch_queued() const noexcept;
  void share(std::uint32_t count, bool idle) noexcept;
  fiber* search() noexcept;
  fiber* steal(time_point now) noexcept;
  void sleep() noexcept;
  void runs_again() noexcept;
  bool others_wait() const noexcept;
  void rest() noexcept;
  void drain() noexcept;
  void run_one(fiber* f) noexcept;
  [[noreturn]] static void vanish() noexcept;

  friend class scheduler;
};

}  // namespace ringo::detail
