#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <system_error>

#include "fiber/fiber.hpp"
#include "source/carrier.hpp"
#include "source/clock.hpp"
#include "source/operation.hpp"
#include "source/poll_entry.hpp"
#include "source/timer_heap.hpp"

namespace ringo::detail {

/// How many steps before its use the memory of an operation and its fiber are fetched: with many
/// connections they are in no cache, and all of them at once take little longer than one.
inline constexpr std::size_t fetch_ahead = 8;
/// What ending it touches, but for its fiber.
inline void prefetch(const operation& op) noexcept {
  __builtin_prefetch(&op.who, 1);
  __builtin_prefetch(&op.holds, 1);
}

/// Of what was made in different generations, nothing is shared: an engine of an earlier run may be
/// gone.
inline std::atomic<std::uint64_t> current_generation{1};
inline std::uint64_t engine_generation() noexcept {
  return current_generation.load(std::memory_order_relaxed);  // relaxed: constant during a run
}

/// What a worker sleeps in, and what tells its fibers that a descriptor is ready, or carries out
/// operations for them: an io_uring or an epoll set, with a wake event in it. Passive: it hands
/// back the fibers whose waits have ended, which the caller makes ready, and knows nothing of a
/// scheduler.
///
/// A wake-up is remembered: wake() before wait() makes that wait return at once. wait() may also
/// return for no reason.
class engine {
 public:
  /// How many completions or events wait() and reap() take at most. With many connections, what a
  /// step has fetched of each is still in the CPU's nearest caches when its fiber runs.
  static constexpr unsigned batch_max = 32;

  engine(const engine&) = delete;
  engine& operator=(const engine&) = delete;
  virtual ~engine() = default;

  /// Sleeps until something completes, wake() is called, or `deadline` has passed. What was started
  /// is handed to the kernel first. Owner only.
  virtual void wait(time_point deadline, fiber_queue& ended) noexcept = 0;

  /// Collects what has completed; never blocks. By the owner it also hands to the kernel what was
  /// started. Any thread: it gives up when another one is at it. A wake-up that it comes across is
  /// not lost to the owner. True: there may be more.
  virtual bool reap(fiber_queue& ended) noexcept = 0;

  /// So many of the fibers that wait() or reap() have handed back here are queued now. Until then
  /// what they waited for counts as under way: who looks for a deadlock finds them here or there.
  /// Any thread.
  void handed_over(std::uint32_t count) noexcept {
    if (count != 0) unqueued_.fetch_sub(count);
  }

  /// Before the owner's thread is busy with something else for long: hands to the kernel what was
  /// started, and until come_back() takes calls by this thread for those of another one.
  virtual void leave() noexcept {}
  virtual void come_back() noexcept {}

  /// Hands to the kernel what a busy owner has started. By a thread that outlives the operations.
  virtual void submit_for_owner() noexcept {}

  /// Ends the owner's wait(). Any thread, and signal handlers.
  virtual void wake() noexcept = 0;

  /// Readable when something may have completed, or wake() was called; for an edge-triggered wait.
  virtual int fd() const noexcept = 0;

  /// Cancels every operation and waits until the kernel has let go of all of them: before the
  /// owner's thread ends. Owner only.
  virtual void cancel_all(fiber_queue& /*ended*/) noexcept {}

  /// Whether any operation is under way, or any fiber that was handed back not queued yet; a
  /// snapshot. Waits for readiness are counted apart: see waits_begun().
  virtual bool busy() const noexcept { return unqueued_.load() != 0; }

  /// What carries out operations; null: nothing does, and all a fiber can wait for is readiness.
  carrier* operations() const noexcept { return operations_; }

  /// Makes sure that the entry is told of its descriptor's events; of any one in `once`, a single
  /// time, unless that is 0. Returns 0, or -errno. By the worker's fibers; never blocks.
  int enlist(poll_entry& entry, int fd, std::uint32_t once = 0) noexcept {
    // The second: nobody attends to the engine that it is registered with.
    const bool known = entry.generation.load() == engine_generation();
    if (RINGO_LIKELY(known && (entry.home.load()->attended() || !attended()))) return 0;
    return enlist_anew(entry, fd, once);
  }
  /// The entry, which is registered here, is told of nothing any more. Any thread while this lives,
  /// with the entry's lock.
  virtual void forget(poll_entry& entry) noexcept = 0;

  /// Of waits for readiness, those that fibers of this worker have begun. By the owner, before the
  /// fiber can be found.
  void wait_begins() noexcept {
    // relaxed: only the owner writes it; who sums it up looks twice, with a look in between that
    // finds the owner asleep, which is after the store
    begun_.store(begun_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  /// The fiber need not wait.
  void wait_declined() noexcept {
    // relaxed: as above
    begun_.store(begun_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
  }
  std::uint64_t waits_begun() const noexcept {
    return begun_.load(std::memory_order_relaxed);  // relaxed: see wait_begins()
  }

  /// Memory that it shares with the kernel, where the addresses of ended operations stay.
  virtual std::array<std::span<const std::byte>, 3> shared_memory() const noexcept { return {}; }

  /// False: its worker has no right to run fibers, so that what completes here goes a long way. Any
  /// thread.
  void attend(bool attended) noexcept { attended_.store(attended); }
  bool attended() const noexcept { return attended_.load(); }

  /// System calls that it made, by whatever thread, and operations and waits that somebody waited
  /// for and that it has ended; since it was made. Any thread.
  virtual std::uint64_t calls() const noexcept = 0;
  virtual std::uint64_t completions() const noexcept = 0;

 protected:
  explicit engine(carrier* operations) noexcept : operations_(operations) {}

  virtual int enlist_anew(poll_entry& entry, int fd, std::uint32_t once) noexcept = 0;

  /// Before they count as not under way: until handed_over().
  void expect_hand_over(std::uint32_t count) noexcept { unqueued_.fetch_add(count); }

  /// Those who have waited: to be made ready.
  void end_waits(fiber** found, std::size_t count, fiber_queue& ended) noexcept;

 private:
  std::atomic<bool> attended_{true};
  carrier* const operations_;
  std::atomic<std::uint64_t> begun_{0};
  // Fibers that were handed back and are not queued yet. Atomic: raised before what they waited for
  // counts as ended, lowered when they have arrived elsewhere.
  std::atomic<std::uint32_t> unqueued_{0};
};

/// How many waits for readiness have ended, by whomever, since the generation began.
std::uint64_t waits_ended() noexcept;
/// Announces, for whoever is no engine. Not null: to be made ready. Any thread.
[[nodiscard]] fiber* call_off(poll_entry& entry, poll_entry::direction d) noexcept;

/// Takes an entry that is perhaps registered in an engine of this run out of there, and gives it
/// back. Any thread while that lives.
void give_up(poll_entry& entry) noexcept;

enum class engine_kind { io_uring, epoll };

/// Before a run begins.
void next_engine_generation() noexcept;

/// Empty and `error` set when the kernel, a seccomp filter or a limit refuses.
std::unique_ptr<engine> make_engine(engine_kind kind, std::error_code& error);

/// The same, but waits up to 50 ms for memory: the kernel gives that of closed rings back some
/// milliseconds late (RLIMIT_MEMLOCK). Blocks the thread.
std::unique_ptr<engine> make_engine_patiently(engine_kind kind, std::error_code& error);

std::unique_ptr<engine> make_epoll_engine(std::error_code& error);
std::unique_ptr<engine> make_ring_engine(std::error_code& error);

}  // namespace ringo::detail
