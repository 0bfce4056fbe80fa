#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <csignal>

#include <pthread.h>

#include <ringo/detail/spinlock.hpp>

#include "sched/cpu_quota.hpp"
#include "sched/file_pool.hpp"
#include "sched/idle_gate.hpp"
#include "sched/inject_queue.hpp"
#include "sched/monitor.hpp"
#include "sched/parked_trim.hpp"
#include "sched/worker.hpp"
#include "source/engine.hpp"

/// The scheduler: its workers, their run tokens, and the beginning and end of a run.
///
/// Run tokens: `tokens()` workers may run fibers at a time; a worker keeps its token while it
/// sleeps for want of work. A worker without one rests: it is in `spares_`, unless a fiber is
/// pinned to its thread. What moves between threads is always the token, never a queue, a heap or
/// an engine. A fiber that is pinned to thread A and was dequeued by worker B is handed over: A
/// gets the fiber and B's token, B becomes a spare. When the fiber parks, A passes the token to a
/// spare. A fiber in blocking() gives the token away at once if others wait; else whoever brings
/// work that nobody is free for takes it (offer_work()). Afterwards its worker becomes a spare, and
/// the fiber goes on elsewhere. The monitor takes the token of a worker whose fiber computes for
/// long (monitor.hpp). Taking it is safe at any time: the worker sees the mark, and is one too many
/// until then. has_token() and `handed` are guarded by `token_lock_`, so that giving and resting
/// cannot miss each other.
///
/// The end of a run:
/// 1. The main fiber's last act stops its own worker, disarms the deadlock check and is over with
/// main_ended(), which wakes the thread in run().
/// 2. That thread calls stop(): every worker is called with `stop`, and woken.
/// 3. Each worker leaves at its next scheduling point, by CAS ending: working -> left, then gives
/// back its
///    caches; its thread ends.
/// 4. After the grace period, CAS working -> abandoned for each of the others: such a thread is
/// detached, and
///    stops for ever at its next scheduling point. What it makes ready until then goes to the
///    inject queue.
/// 5. The same for the threads of the file pool: see file_pool.hpp.
/// 6. Nobody runs fibers now. Every fiber that is parked is claimed: taken out of the queue it
/// waits in, under
///    that queue's lock. Where a plain thread's wake-up was faster, the fiber arrives in the inject
///    queue. One that was woken but never went on gives back what its waker handed to it
///    (park_kind::dropped). Then control blocks and stacks are recycled without running anything.

namespace ringo::detail {

/// options with every default filled in.
struct settings {
  std::uint32_t workers = 1;
  std::size_t stack_size = stack_size_default;
  enum class engine_choice : std::uint8_t {
    automatic,
    io_uring,
    epoll
  } engine = engine_choice::automatic;
  std::uint32_t threads_max = 10'000;
  std::chrono::nanoseconds exit_grace = std::chrono::seconds(1);
  std::uint32_t cpus = 1;
  bool workers_by_default = false;  // then their number follows that of the CPUs
};

class scheduler {
 public:
  /// The one of this process; never destroyed.
  static scheduler& instance() noexcept;

  /// Starts the workers. Throws panic_error when the kernel denies threads or the engine asked for.
  void start(const settings& wanted);
  /// See "the end of a run". Returns how many fibers were left over.
  std::size_t stop() noexcept;
  /// The body of the thread in run(): returns when the main fiber has ended. Until then it starts
  /// the threads that others may not, see start_thread().
  void serve_until_main_ended() noexcept;
  /// Makes it look for threads to start. Any thread.
  void call_caller() noexcept;
  /// Who adds 2 and wakes the futex makes that thread call serve_reports().
  std::atomic<std::uint32_t>& caller_word() noexcept { return for_caller_; }
  /// The main fiber's last touch.
  void main_ended() noexcept;
  /// Allows the report of deadlocks; off before the main fiber is queued and after it has ended.
  void arm(bool on) noexcept { armed_.store(on); }

  /// Calls look(*this) if a runtime runs, and keeps its workers alive meanwhile. For calls from any
  /// thread.
  template <typename Look>
  void visit(Look look) noexcept {
    visitors_.fetch_add(1);
    if (running_.load()) look(*this);
    visitors_.fetch_sub(1);
  }
  bool running() const noexcept {
    return running_.load(std::memory_order_relaxed);  // relaxed: a hint
  }
  const settings& config() const noexcept { return settings_; }
  idle_gate& gate() noexcept { return gate_; }
  monitor& watcher() noexcept { return monitor_; }
  std::int32_t caller_thread() const noexcept { return caller_thread_.load(); }
  inject_queue& injected() noexcept { return injected_; }
  parked_trim& trim() noexcept { return trim_; }
  file_pool& files() noexcept { return files_; }

  /// Queues a fiber from any thread.
  void inject(fiber* f) noexcept;
  void inject_all(fiber** fibers, std::uint32_t count) noexcept;
  /// Those whose operations `source` has handed back; how many there were. Any thread.
  std::uint32_t inject_ended(engine& source, fiber_queue& ended) noexcept;
  void wake_one() noexcept;

  std::uint32_t tokens() const noexcept {
    return tokens_.load(std::memory_order_relaxed);  // relaxed: hint
  }
  /// Go's GOMAXPROCS: returns the old number; `wanted` < 1 only asks.
  std::uint32_t set_tokens(int wanted);
  /// By a worker between two fibers: looks, once a second at most, whether the process may use more
  /// or fewer CPUs by now, and sets the tokens accordingly; not if somebody chose their number.
  void follow_cpus(time_point now) noexcept;
  /// How the CPUs are counted, for tests. Only while no runtime runs.
  using cpu_count = std::uint32_t (*)(std::int32_t thread) noexcept;
  void count_cpus_with(cpu_count count) noexcept { count_cpus_ = count; }
  std::uint32_t count_cpus() const noexcept { return count_cpus_(0); }

  std::uint32_t worker_count() const noexcept {
    return count_.load(std::memory_order_acquire);  // pairs with add_worker()
  }
  worker* worker_at(std::uint32_t i) const noexcept {
    return workers_[i].load(std::memory_order_acquire);  // pairs with add_worker()
  }
  /// The timer heap for callers that run on no worker.
  timer_heap& shared_timers() noexcept;
  /// Wakes the worker whose heap that is: an earlier timer came in.
  void timer_added() noexcept;

  bool work_visible() const noexcept;
  /// Of no use to a single worker: there is nobody whose work it could take.
  bool spinning_pays() const noexcept {
    const std::uint32_t cpus = cpus_.load(std::memory_order_relaxed);  // relaxed: a policy
    const std::uint32_t count = worker_count();
    return count > 1 && count <= cpus;
  }
  void check_deadlock() noexcept;

  std::size_t num_fibers() const noexcept;
  std::uint64_t num_spawned() const noexcept;
  void count_external_spawn() noexcept { external_spawned_.fetch_add(1); }

  /// Says how many more (or fewer) things outside of the workers may still make a fiber ready: a
  /// subscription to a signal, say. While there are any, no deadlock is reported. Any thread.
  void expect_outside(int change) noexcept;
  /// By a thread that ringo keeps beside the workers: that it exists is no reason to hold a
  /// deadlock report back. What it may still do is counted by expect_outside().
  void adopt_thread(std::int32_t thread_id) noexcept;
  /// Its last act.
  void disown_thread(std::int32_t thread_id) noexcept;
  bool is_adopted_thread(std::int32_t thread_id) const noexcept;

  // Run tokens; see above.
  /// False: `from` has no token any more to give.
  [[nodiscard]] bool hand_over(worker& from, worker& home, fiber* f) noexcept;
  fiber* take_handed_or_give_token(worker& w) noexcept;
  /// If there are more tokens than there should be.
  void give_up_token(worker& w) noexcept;
  /// The worker's fiber is about to block the thread while others wait: another worker gets the
  /// token.
  void pass_token_on(worker& w);
  /// The same for a worker that does not come by; by the monitor. False: there is nobody to take
  /// the token, and no more threads, descriptors or memory to lock can be had.
  [[nodiscard]] bool relieve(worker& w) noexcept;
  /// Changes how many workers block with a token: each that enters that state, and whoever ends it.
  void count_blocked(int change) noexcept {
    blocked_.fetch_add(static_cast<std::uint32_t>(change));
  }
  bool any_blocks_with_token() const noexcept { return blocked_.load() != 0; }
  /// Wakes somebody for work that was just injected, or finds somebody a token for it.
  void offer_work() noexcept;
  void stir_monitor() noexcept { monitor_.stir(); }
  /// Tokens that were taken from workers that did not come by, or that blocked.
  std::uint64_t handoffs() const noexcept { return handoffs_.load(); }
  /// The worker has no token any more, and is free for others. True: it has one after all.
  bool becomes_spare(worker& w, bool is_pinned) noexcept;
  /// True: do not sleep, there is a token or the run is over.
  bool rest_begins(worker& w) noexcept;
  bool rest_ends(worker& w) noexcept;

  /// Threads of the process that could still wake a fiber although no worker is awake.
  void register_caller(std::int32_t thread_id) noexcept { caller_thread_.store(thread_id); }
  /// A run has given up on a thread once; see "the end of a run".
  bool abandoned_any() const noexcept {
    return abandoned_any_.load(
        std::memory_order_relaxed);  // relaxed: set before the worker's fate is read
  }
  bool is_abandoned_thread(std::int32_t thread_id) const noexcept;
  /// A worker's last act in a run.
  void worker_left() noexcept;

 private:
  scheduler() = default;
  void start_workers(const settings& wanted);

  settings settings_;
  engine_kind engine_used_ = engine_kind::epoll;
  idle_gate gate_;
  inject_queue injected_;
  parked_trim trim_;
  monitor monitor_{*this};
  file_pool files_{*this};
  std::atomic<bool> running_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> armed_{false};
  std::atomic<std::uint32_t> tokens_{1};
  std::atomic<std::uint32_t> count_{0};
  std::unique_ptr<std::atomic<worker*>[]> workers_;
  std::vector<std::unique_ptr<std::atomic<worker*>[]>>
      kept_tables_;                                 // of runs with abandoned threads; never read
  std::vector<std::unique_ptr<timer_heap>> heaps_;  // outlive the runs: a channel may hold a timer
  std::vector<pthread_t> threads_ RINGO_GUARDED_BY(token_lock_);  // by worker index
  std::vector<worker*> unstarted_ RINGO_GUARDED_BY(token_lock_);  // for the thread in run()
  std::atomic<std::uint32_t> for_caller_{0};  // futex of that thread: bit 0, main has ended; above
                                              // it, how often something was left for it to do
  std::atomic<std::uint64_t> external_spawned_{0};
  std::atomic<std::int32_t> caller_thread_{0};
  std::atomic<bool> abandoned_any_{false};
  std::vector<std::int32_t> abandoned_threads_;   // written between runs
  std::vector<const worker*> abandoned_workers_;  // never freed; written between runs
  std::atomic<std::int64_t> outside_{0};          // atomic: see expect_outside()
  // atomic: thread ids, or 0. Who finds no room counts as foreign.
  std::array<std::atomic<std::int32_t>, 128> adopted_threads_{};
  cpu_count count_cpus_ = &usable_cpus;
  std::atomic<std::uint32_t> cpus_{1};
  std::atomic<bool> follows_cpus_{false};  // atomic: until set_tokens()
  std::atomic<std::int64_t> cpus_at_{0};   // atomic: when they were counted, in ns
  std::atomic<std::uint32_t> blocked_{0};  // atomic: workers that block with a token
  std::atomic<std::uint64_t> handoffs_{0};
  std::atomic<std::uint32_t> left_{0};      // futex: workers that have left
  std::atomic<std::uint32_t> visitors_{0};  // plain threads that look at the workers; as waking_
  std::atomic<std::uint32_t> waking_{0};    // wake-ups under way, which stop() waits for

  spinlock token_lock_;
  std::vector<worker*> spares_ RINGO_GUARDED_BY(token_lock_);
  std::uint32_t surplus_ RINGO_GUARDED_BY(token_lock_) = 0;
  sigset_t signal_mask_{};  // of the thread in run(), and so of the workers; immutable in a run

  /// True, and counts as done now: the last time was `interval` ago.
  static bool is_due(std::atomic<std::int64_t>& last_at,
                     time_point now,
                     std::chrono::nanoseconds interval) noexcept {
    const std::int64_t at = now.time_since_epoch().count();
    std::int64_t last = last_at.load();
    return at - last >= interval.count() && last_at.compare_exchange_strong(last, at);
  }
  std::uint32_t change_tokens(std::uint32_t wanted) RINGO_REQUIRES(token_lock_);
  /// For a worker beside the first ones: epoll if another ring cannot be paid for (RLIMIT_MEMLOCK).
  std::unique_ptr<engine> spare_engine(std::error_code& error) const;
  void choose_engine(std::vector<std::unique_ptr<engine>>& engines);
  worker* add_worker(std::unique_ptr<engine> source) RINGO_REQUIRES(token_lock_);
  /// Starts it from here or, if this thread is not ringo's alone, from the thread in run(): a
  /// thread inherits what its parent has made of itself (signal mask, affinity, namespaces), and a
  /// pinned fiber may do as it likes with its own.
  void start_thread(worker* w) RINGO_REQUIRES(token_lock_);
  void start_thread_here(worker* w) RINGO_REQUIRES(token_lock_);
  void keep_thread(worker* w, pthread_t thread) RINGO_REQUIRES(token_lock_);
  void start_unstarted() RINGO_REQUIRES(token_lock_);
  void relieve_one_that_blocks() noexcept;
  bool may_relieve(const worker& w) const noexcept RINGO_REQUIRES(token_lock_);
  bool relieve_by_spare(worker& w) noexcept RINGO_REQUIRES(token_lock_);
  void take_token(worker& from) noexcept RINGO_REQUIRES(token_lock_);
  bool may_add_worker() const noexcept RINGO_REQUIRES(token_lock_);
  worker* spare_or_new() RINGO_REQUIRES(token_lock_);
  void give_token(worker* to) noexcept RINGO_REQUIRES(token_lock_);
  void give_token_to_some_spare() RINGO_REQUIRES(token_lock_);
  void wait_for_workers(time_point until) noexcept
      RINGO_NO_THREAD_SAFETY;  // nobody starts threads any more
  void stop_files(time_point until) noexcept;
  std::size_t drop_queued() noexcept;
  std::size_t reclaim_leftovers() noexcept;
  bool pending_timers() const noexcept;
  bool pending_operations() const noexcept;
  /// From inside: nobody is awake, nothing is queued, no timer is set, nothing is
  /// expected from outside.
  bool nothing_can_happen() noexcept;
};

}  // namespace ringo::detail
