#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include <pthread.h>

#include "base/fence.hpp"
#include "fiber/fiber.hpp"
#include "source/clock.hpp"
#include "source/wake_event.hpp"

/// The monitor: a thread that looks after workers which do not come by (Go's sysmon).
///
/// A worker looks after its own run queue, timers and completions. It cannot while its fiber
/// computes, or sits in a system call. Then the monitor does, by the ways that are open to every
/// thread, and gives the worker's right to run to another one.
///
/// A worker is asleep (in its engine), blocked (in blocking()), or it runs: a fiber, or its loop.
/// One that has run the same fiber without a scheduling point for `patience` is late; one that was
/// blocked through a whole `interval` is settled. Neither gets to what is its own. (A late worker
/// may just be waiting for a CPU that other threads have: that is no reason to let still more run.
/// So it is relieved, step 3, only if it has had one for half of that time, or waits for
/// something.)
///
/// Steps, every `interval` while some worker runs:
/// 1. Note each worker's count of scheduling points, and since when it has been that.
/// 2. For who is late or settled, and for who has not polled since the last look: fire overdue
///    timers, collect what has completed. For a late one also submit what was started, and take
///    what is in its run-next slot; and, if it has no token, what is in its run queue, which
///    thieves that have enough to do would leave there. All of it goes to the inject queue.
/// 3. Who is late or blocked and has a run token, while something waits that nobody is free for, is
///    relieved of the token, which goes to a spare worker (scheduler::relieve()). It is marked with
///    `token_lost`.
/// Steps of a marked worker: what its fiber makes ready goes to the inject queue (push_ready());
/// at its next scheduling point it moves the rest there, and rests. What it had queued before it
/// could see the mark is found by step 2 the next time.
///
/// Between two looks it waits for completions of those who are late or settled, on the descriptors
/// of their engines, and for their earliest timer. When no worker runs, nor has run since the look
/// before, it waits for nothing else. (Who sleeps and runs many times in an interval would else
/// wake it each time.) Each side stores, fences, then loads, so that not both miss the other:
///   monitor: asleep | heavy fence | a worker runs, work waits, an earlier timer? stay awake
///   worker that wakes up, or comes out of blocking(): running | light fence | asleep? wake it
///   whoever adds a timer, or work for one that blocks: add it | fence | wake the monitor
///
/// It submits for others, and a request is finished in the context of the thread that submitted
/// it: so its thread ends after the workers', when nothing is under way any more.
///
/// Late workers that compute without a token are more threads that want a CPU. There may be twice
/// as many as tokens, and 8 in any case. Beyond that a worker must have been late for
/// `long_patience`.
///
/// What it has in its hands (timers that were taken out of a heap, and fibers) is expected from
/// outside (scheduler::expect_outside()), so that nobody takes that moment for a deadlock.

namespace ringo::detail {

class scheduler;
class worker;

class monitor {
 public:
  static constexpr auto interval = std::chrono::milliseconds(5);
  static constexpr auto patience = std::chrono::milliseconds(10);
  static constexpr auto long_patience = std::chrono::seconds(1);

  /// Held while it looks; who holds it keeps the monitor from touching anything.
  spinlock& looking() noexcept { return looking_; }

  explicit monitor(scheduler& owner) noexcept : owner_(owner) {}

  /// Fatal when the kernel has no descriptors or no thread for it.
  void start();
  /// It looks at no worker any more once this has returned.
  void pause() noexcept;
  /// Its thread ends.
  void stop() noexcept;

  /// A worker runs now, or a timer was added for one that does not. Any thread.
  void stir() noexcept {
    light_fence();  // pairs with sleep()
    // relaxed: the fences order it
    if (RINGO_UNLIKELY(asleep_.load(std::memory_order_relaxed))) bell_.signal();
  }
  /// It is to look around now. Any thread.
  void ring() noexcept { bell_.signal(); }

 private:
  enum class phase : std::uint32_t { off, watching, paused, ended };

  /// What it knows of a worker; by its index.
  struct record {
    std::uint64_t ticks = 0;
    time_point since{};       // the count has been that
    nanoseconds cpu{};        // what its thread had used by then
    bool absent = false;      // late or settled
    bool waited_for = false;  // its engine's descriptor is in set_
  };

  scheduler& owner_;
  pthread_t thread_{};
  spinlock looking_;
  int set_ = -1;  // an epoll set
  wake_event bell_;
  std::atomic<bool> asleep_{false};
  std::atomic<phase> wanted_{phase::off};
  std::atomic<std::uint32_t> reached_{0};  // futex: the phase it is in
  // Its own.
  std::vector<record> records_;
  bool somebody_runs_ = false;
  std::optional<bool> too_many_compute_;  // asked for once in a look
  time_point no_relief_until_{};          // there was nobody to take a token

  void run() noexcept;
  void look_around() noexcept;
  void look_at(worker& w, record& known, time_point now) noexcept;
  void serve(worker& w, const record& known, time_point now) noexcept;
  void relieve(worker& w, const record& known, time_point now) noexcept;
  bool may_relieve(const worker& w, const record& known, time_point now) noexcept;
  bool too_many_compute() noexcept;
  void take_queued(worker& w) noexcept;
  time_point next_timer() const noexcept;
  void wait_for_engine(worker& w, record& known, bool wanted) noexcept;
  bool any_runs() const noexcept;
  void sleep() noexcept;
  void wait(time_point deadline) noexcept;
  void reach(phase there) noexcept;
  void ask_for(phase there) noexcept;
  void wait_until_reached(phase there) const noexcept;
};

}  // namespace ringo::detail
