#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include <pthread.h>

#include <ringo/detail/intrusive_list.hpp>
#include <ringo/detail/spinlock.hpp>

#include "fiber/fiber.hpp"
#include "source/carrier.hpp"
#include "source/clock.hpp"
#include "source/operation.hpp"

/// The threads that make calls on files for fibers, where the engine cannot: with epoll.
///
/// Two lanes, each with a queue and threads of its own, so that calls which wait for the disk to
/// settle (fsync) do not hold up reads. The number of threads of a lane is bounded; they are
/// started when there is more to do than threads that sleep, and end with the run.
///
/// Invariants:
/// - An operation that was started is in one place: in the queue of its lane, under the lane's
/// lock,
///   or it is `running` of one thread. Nobody but that thread, and stop(), may end it then.
/// - The pool has its hold on the operation until it has written `result`; see operation.hpp.
/// - Each operation counts as expected from outside (scheduler::expect_outside) from its start
/// until
///   its fiber is queued, so that no deadlock is reported meanwhile; and so does each thread from
///   the moment it is asked for until it has been adopted.
/// - `free` is how many threads of the lane sleep, or are on their way to the queue: they will look
///   there once more before they sleep. One that looked before an operation came does not sleep:
///   `bell` has changed.
/// - No more operations are queued than threads are free or asked for, unless there are as many
///   threads as there may be.
///
/// Starting (a worker, in a fiber's departure):
/// 1. Count it as expected. Under the lock: queue it, ring the bell; if more are queued than
/// threads
///    are idle or asked for, and there may be more, one is asked for.
/// 2. Wake one thread, if any sleeps. Asked for: tell the thread in run(), which starts threads
///    (what a worker's thread has made of itself is not inherited), and waits for each to be
///    adopted.
/// A thread of the lane:
/// 3. Under the lock: take the oldest, and be free no more; none: note the bell, sleep while it is
///    the same.
///    Taking one, set `running`, and `fate` idle -> busy.
/// 4. Make the call, CAS busy -> idle. Failed: the run has ended without it, and it touches nothing
///    any more.
/// 5. Be free again, before somebody is woken whose next operation would ask for another thread.
///    Write the result, let go; the last hold was its: make the fiber ready. Count it as arrived.
/// Cancelling (whoever has found it listed):
/// 6. call_off(). Under the lock: still queued: take it out; it ends with -ECANCELED. Otherwise it
/// is
///    running, and ends by itself: the caller of the operation gets what it was.
/// End of a run (the thread in run(); no worker runs fibers any more):
/// 7. Under the lock: the lane is closed; nobody starts what was asked for. Wake all threads: each
///    ends when its call is over, and is waited for until the grace period has passed.
/// 8. CAS busy -> abandoned for each of the others; its fiber is lost, and keeps its stack, which
/// the
///    call may still be writing to. What is queued is claimed with the other fibers, by step 6.
/// An abandoned worker (see scheduler.hpp) starts nothing: its fiber never goes on.

namespace ringo::detail {

class scheduler;

class file_pool final : public carrier {
 public:
  explicit file_pool(scheduler& owner) noexcept : owner_(owner) {}

  /// Before a run; `cpus` decides how many threads there may be.
  void open(std::uint32_t cpus) noexcept;

  /// `op.call` is set.
  void start(operation& op) noexcept override;
  [[nodiscard]] fiber* cancel(operation& op) noexcept override;

  /// By the thread in run(): starts the threads that were asked for.
  void start_threads() noexcept;

  /// What a run leaves behind: a thread in a call that does not end, and the fiber it was for.
  struct leftover {
    std::int32_t thread;
    fiber* who;
  };
  /// Steps 7 and 8.
  std::vector<leftover> stop(time_point until) noexcept;

  static constexpr std::uint32_t threads_max = 64;       // of calls that transfer
  static constexpr std::uint32_t sync_threads_max = 16;  // of calls that sync

 private:
  struct lane;

  struct thread {
    enum class state : std::uint32_t {
      idle,      ///< between calls
      busy,      ///< in a call: `running` is its, and stop()'s
      abandoned  ///< in a call of a run that is over: `running` is lost
    };
    file_pool& pool;
    lane& of;
    pthread_t handle{};
    std::atomic<state> fate{state::idle};      // atomic: see the steps
    std::atomic<operation*> running{nullptr};  // atomic: written by the thread, read by stop()
    std::atomic<std::uint32_t> id{0};          // futex: the thread's id, once it is adopted

    thread(file_pool& owner, lane& serves) noexcept : pool(owner), of(serves) {}
  };

  struct lane {
    spinlock lock;
    intrusive_list<operation> queued RINGO_GUARDED_BY(lock);
    std::uint32_t length RINGO_GUARDED_BY(lock) = 0;     // of `queued`
    std::uint32_t free RINGO_GUARDED_BY(lock) = 0;       // threads, see above
    std::uint32_t asked_for RINGO_GUARDED_BY(lock) = 0;  // threads that do not serve yet
    std::uint32_t unstarted RINGO_GUARDED_BY(lock) = 0;  // of those, the ones to be made
    std::uint32_t count RINGO_GUARDED_BY(lock) = 0;      // of threads, those asked for included
    std::uint32_t count_max RINGO_GUARDED_BY(lock) = 0;
    bool is_open RINGO_GUARDED_BY(lock) = false;
    std::atomic<std::uint32_t> bell{0};  // futex: changes with each operation, and at the end
    std::vector<std::unique_ptr<thread>> threads;  // the thread's in run()
  };

  scheduler& owner_;
  std::array<lane, 2> lanes_;
  std::atomic<std::uint32_t> ended_{0};  // futex: threads that have ended in this run

  lane& lane_of(const operation& op) noexcept { return lanes_[op.code == opcode::sync ? 1 : 0]; }
  enum class place : std::uint8_t { refused, queued, queued_for_a_new_thread };
  static place queue(lane& in, operation& op) noexcept;
  void start_thread(lane& in) noexcept;
  void close_lanes() noexcept;
  void wait_for_threads(time_point until) noexcept;
  static operation* next(thread& self) noexcept;
  bool carry_out(thread& self, operation& op) noexcept;
  void serve(thread& self) noexcept;
};

}  // namespace ringo::detail
