#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace ringo {

/// What workers sleep in. `automatic`: io_uring where the kernel allows it, else epoll; both behave
/// the same. RINGO_LOG=engine prints which one was taken, and why.
enum class engine : std::uint8_t { automatic, io_uring, epoll };

/// How a runtime starts. A member that is set wins over its environment variable, which wins over
/// the default. A bad value makes run() panic with a text that names it.
struct options {
  /// How many fibers run at a time. 0: RINGO_MAXPROCS, else the CPUs of the affinity mask, limited
  /// by the cgroup's CPU quota rounded up (but never below 2 by quota); such a number follows the
  /// quota and the mask while the run goes on, until set_workers() is called: workers look once a
  /// second at most, when they poll or fall asleep. Not negative, and at most max_threads.
  int workers = 0;
  /// Bytes of address space reserved for each fiber's stack; rounded up to a power of two between
  /// 32 KiB and 1 GiB. 0: RINGO_STACK_SIZE, else 256 KiB. Memory is used only as far as a stack is
  /// touched.
  std::size_t stack_size = 0;
  /// automatic: RINGO_ENGINE (automatic, io_uring, epoll).
  ringo::engine engine = ringo::engine::automatic;
  /// Threads that ringo may have at a time: the workers, and those that blocking() and thread_pin
  /// add. At least 1. When one more is needed the process ends: "thread limit reached".
  int max_threads = 10'000;
  /// How long run() waits at its end for threads that are still in user code. Not negative.
  std::chrono::nanoseconds exit_grace = std::chrono::seconds(1);
};

/// How long fibers that were ready have waited for a worker.
struct wait_histogram {
  static constexpr std::size_t buckets = 24;
  /// counts[i]: waits of at most 2^i us, and longer than those of counts[i - 1]. The last: of all
  /// that were longer.
  std::array<std::uint64_t, buckets> counts{};
  std::chrono::nanoseconds total{0};  ///< of all that were counted

  static constexpr std::chrono::microseconds limit(std::size_t bucket) noexcept {
    return std::chrono::microseconds(std::int64_t{1} << bucket);
  }
};

/// A snapshot of counters; see stats().
struct statistics {
  std::size_t fibers = 0;      ///< alive, the main fiber included; the sum of the next four
  std::size_t running = 0;     ///< of those: a thread computes for them
  std::size_t runnable = 0;    ///< wait for a worker
  std::size_t blocking = 0;    ///< in blocking()
  std::size_t parked = 0;      ///< wait for something else
  std::uint64_t spawned = 0;   ///< since run() began
  std::uint64_t ended = 0;     ///< since then
  std::uint32_t workers = 0;   ///< fibers that may run at a time
  std::uint32_t threads = 0;   ///< of ringo
  std::uint64_t switches = 0;  ///< scheduling points, polls included
  std::uint64_t parks = 0;     ///< times a fiber went to wait for something, but in blocking()
  std::uint64_t steals = 0;    ///< successful ones
  std::uint64_t sleeps = 0;    ///< times a worker went to sleep
  std::uint64_t handoffs = 0;  ///< turns that were taken from fibers that blocked or computed on
  /// Stacks whose overflow would not be noticed, made since the process began; see
  /// docs/internals/stacks.md.
  std::size_t unguarded_stacks = 0;
  /// Address space that all stacks of the process have, used or not.
  std::size_t stack_bytes_reserved = 0;
  std::size_t stacks_warm = 0;  ///< unused, with their pages: one at least, as many as they needed
  std::size_t stacks_cold = 0;  ///< unused, their pages given back
  /// Engines: system calls (io_uring_enter; epoll_wait and epoll_ctl), and operations that have
  /// ended, which some of those calls brought many of. Input and output that succeeds at once is no
  /// such operation.
  std::uint64_t engine_calls = 0;
  std::uint64_t completions = 0;
  /// Of one fiber in some 512 scheduling points of a worker.
  wait_histogram run_queue_wait;
};

namespace detail {

/// Type-erased core of run().
void run_main(const options& wanted, void (*body)(void*), void* argument);

}  // namespace detail

/// Starts the runtime, runs `fn` as the main fiber and returns what it returned, by value; an
/// exception that leaves `fn` is rethrown here. Blocks the calling thread meanwhile. One runtime at
/// a time per process; run() may be called again afterwards, from any thread.
///
/// When `fn` returns, no other fiber runs again, as in Go: those that are left are taken out of
/// every queue (so that channels and locks that outlive run() stay usable) and their destructors do
/// not run. Debug builds of ringo, and others with RINGO_LOG=leftovers in the environment, list
/// them on standard error. Threads that are still in user code have `exit_grace` to reach a
/// scheduling point; one that does not is abandoned and named on standard error: what it uses must
/// outlive the process.
///
/// Panics: "run: already running" (also from a fiber, and from a second thread meanwhile); for a
/// bad option or variable, "run: workers: ...", "run: max_threads: ...", "run: exit_grace: ...",
/// "run: stack_size out of range", "run: RINGO_MAXPROCS: not a positive number: ..." and its kin,
/// "run: RINGO_ENGINE: ..."; "run: engine io_uring: ..." when that was asked for and the kernel
/// refuses it, "run: engine epoll: ..." when neither can be had.
/// Fatal: "all fibers are asleep - deadlock!"; "no fibers (main called goexit) - deadlock!"; "fiber
/// stack overflow"; "thread limit reached"; "ringo used in the child of a fork".
/// What the caller did before is visible to `fn`, and what `fn` did is visible afterwards. Starts
/// `workers` threads, and ends them.
template <typename Fn>
auto run(const options& wanted, Fn&& fn) -> std::invoke_result_t<Fn&> {
  using value = std::invoke_result_t<Fn&>;
  struct state {
    Fn& fn;
    std::exception_ptr thrown;
    std::conditional_t<std::is_void_v<value>, char, std::optional<value>> returned{};
  } main{fn, nullptr, {}};
  detail::run_main(
      wanted,
      [](void* argument) {
        auto& self = *static_cast<state*>(argument);
        if constexpr (std::is_void_v<value>) {
          self.fn();
        } else {
          self.returned.emplace(self.fn());
        }
      },
      &main);
  if constexpr (!std::is_void_v<value>) return std::move(*main.returned);
}

/// The same with default options.
template <typename Fn>
requires(!std::is_convertible_v<Fn, const options&>) auto run(Fn&& fn) {
  return run(options{}, std::forward<Fn>(fn));
}

/// How many fibers may run at a time; 0 outside run(). Thread-safe, never blocks.
int workers() noexcept;

/// Go's GOMAXPROCS: changes workers() for good and returns the old value; n < 1 only asks. More
/// than max_threads is taken as max_threads. Takes effect as workers reach scheduling points; does
/// not wait for that. 0 outside run(). Fatal: "thread limit reached". Thread-safe. May start
/// threads and allocate; running out of memory ends the process.
int set_workers(int n);

/// Fibers that exist, parked ones and the main fiber included. 0 outside run(). Thread-safe, never
/// blocks. O(threads).
std::size_t num_fibers() noexcept;

/// Counters of the run so far, read one by one and not at one instant; all 0 outside run().
/// Thread-safe, never blocks. O(threads).
statistics stats() noexcept;

}  // namespace ringo
