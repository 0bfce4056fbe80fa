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

/// What a worker sleeps in, and what carries out operations for its fibers: an io_uring or an epoll
/// set, with a wake event in it. Passive: it hands back the fibers whose operations have ended,
/// which the caller makes ready, and knows nothing of a scheduler.
///
/// A wake-up is remembered: wake() before wait() makes that wait return at once. wait() may also
/// return for no reason.
class engine : public carrier {
 public:
  /// How many operations wait() and reap() end at most. With many connections, what a step has
  /// fetched of each is still in the CPU's nearest caches when its fiber runs.
  static constexpr unsigned batch_max = 32;

  virtual ~engine() = default;

  /// Sleeps until something completes, wake() is called, or `deadline` has passed. What was started
  /// is handed to the kernel first. Owner only.
  virtual void wait(time_point deadline, fiber_queue& ended) noexcept = 0;

  /// Collects what has completed; never blocks. By the owner it also hands to the kernel what was
  /// started. Any thread: it gives up when another one is at it. A wake-up that it comes across is
  /// not lost to the owner.
  virtual void reap(fiber_queue& ended) noexcept = 0;

  /// So many of the fibers that wait() or reap() have handed back here are queued now. Until then
  /// their operations count as under way: who looks for a deadlock finds them here or there. Any
  /// thread.
  virtual void handed_over(std::uint32_t /*count*/) noexcept {}

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
  virtual void cancel_all(fiber_queue& ended) noexcept = 0;

  /// Whether any operation is under way, or has ended without its fiber being queued; a snapshot.
  virtual bool busy() const noexcept = 0;

  /// Whether operations need the descriptor's poll_entry: the engine tells when to try again, and
  /// carries out nothing.
  bool needs_entry() const noexcept { return needs_entry_; }

  /// Memory that it shares with the kernel, where the addresses of ended operations stay.
  virtual std::array<std::span<const std::byte>, 3> shared_memory() const noexcept { return {}; }

  /// False: its worker has no right to run fibers, so that what completes here goes a long way. Any
  /// thread.
  void attend(bool attended) noexcept { attended_.store(attended); }

  /// System calls that it made, by whatever thread, and operations that somebody waited for and
  /// that have ended; since it was made. Any thread.
  virtual std::uint64_t calls() const noexcept = 0;
  virtual std::uint64_t completions() const noexcept = 0;

  /// Takes a descriptor out of an epoll set: of the entry's home, by any thread while it lives,
  /// with the entry's lock.
  virtual void forget(poll_entry& /*entry*/) noexcept {}

 protected:
  explicit engine(bool needs_entry = false) noexcept : needs_entry_(needs_entry) {}
  bool attended() const noexcept { return attended_.load(); }

 private:
  std::atomic<bool> attended_{true};
  const bool needs_entry_;
};

enum class engine_kind { io_uring, epoll };

/// Of what was made in different generations, nothing is shared: an engine of an earlier run is
/// gone.
std::uint64_t engine_generation() noexcept;
void next_engine_generation() noexcept;

/// Empty and `error` set when the kernel, a seccomp filter or a limit refuses.
std::unique_ptr<engine> make_engine(engine_kind kind, std::error_code& error);

/// The same, but waits up to 50 ms for memory: the kernel gives that of closed rings back some
/// milliseconds late (RLIMIT_MEMLOCK). Blocks the thread.
std::unique_ptr<engine> make_engine_patiently(engine_kind kind, std::error_code& error);

std::unique_ptr<engine> make_epoll_engine(std::error_code& error);
std::unique_ptr<engine> make_ring_engine(std::error_code& error);

}  // namespace ringo::detail
