#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <vector>

#include <pthread.h>

#include <ringo/detail/spinlock.hpp>

#include "sched/trace_ring.hpp"

/// Writes a trace: collects what workers tell (trace_ring.hpp) and writes it as text
/// (trace_text.hpp), on a thread of its own.
///
/// A trace has nothing to do with runs: it may begin before one and go on after it.
///
/// Beginning:
/// 1. The rings are emptied, the thread starts; under `lock_`, `on_` is set.
/// 2. Every worker gets a ring, if it has none, and the bit that makes it tell (attach()). A worker
///    that is added later gets both from its maker, who looks after it has put the worker where
///    step 2 finds it: so none is missed.
/// End:
/// 1. Under `lock_`: `on_` is cleared: nobody gets the bit any more.
/// 2. The bit is taken from every worker. One may be in the middle of telling something: its ring
///    stays, and whatever comes late is older than the next trace.
/// 3. The thread writes what is left, and ends.
///
/// The thread goes through all rings in the order of time, but for the last `settle_time`: an event
/// gets its time a moment before it can be seen.
///
/// A worker that ends gives its ring back (detach()). One that a run has given up on never does, so
/// that each ring has one writer.

namespace ringo::detail {

class scheduler;
class worker;
class trace_text;

/// Where the text goes. One owner.
class trace_sink {
 public:
  trace_sink() = default;
  trace_sink(const trace_sink&) = delete;
  trace_sink& operator=(const trace_sink&) = delete;
  virtual ~trace_sink() = default;
  virtual std::error_code write(const std::string& text) noexcept = 0;
  /// What there is room for. A trace that comes near to it ends there, as a whole one.
  virtual std::size_t limit() const noexcept { return std::numeric_limits<std::size_t>::max(); }
};

/// One moment, by both clocks.
struct clock_pair {
  std::uint64_t tick = 0;
  std::int64_t ns = 0;
};

class tracer {
 public:
  /// The one of this process; never destroyed.
  static tracer& instance() noexcept;

  /// std::errc::device_or_resource_busy: a trace is being written. `to` outlives the trace.
  std::error_code start(trace_sink& to) noexcept;
  /// Returns once all is written: the first error of the sink. Nothing happens if it was not
  /// `to`'s trace.
  std::error_code stop(const trace_sink& to) noexcept;

  /// By whoever adds a worker, when it is listed.
  void attach(worker& w) noexcept;
  /// By whoever destroys it.
  void detach(worker& w) noexcept;

 private:
  static constexpr std::uint64_t settle_ns = 200'000;

  struct place {
    std::unique_ptr<trace_ring> ring;
    bool taken = false;
  };

  std::mutex control_;  // held from the first step of beginning and end to the last
  trace_sink* sink_ = nullptr;
  pthread_t thread_{};
  clock_pair began_;
  std::error_code failed_;
  std::size_t written_ = 0;  // the thread's
  bool is_cut_ = false;      // the thread's: the sink is full, what comes now is thrown away
  std::atomic<std::uint32_t> stopping_{0};  // futex
  std::atomic<std::uint32_t> adopted_{0};   // futex: the thread is known as one of ringo's

  spinlock lock_;
  bool on_ RINGO_GUARDED_BY(lock_) = false;
  std::vector<place> places_ RINGO_GUARDED_BY(lock_);

  tracer() = default;
  std::error_code start_thread() noexcept;
  void switch_workers(bool on) noexcept;
  trace_ring* take_ring() noexcept RINGO_REQUIRES(lock_);
  std::vector<trace_ring*> rings();
  void run() noexcept;
  void write_all(trace_text& text);
  std::uint64_t collect(trace_text& text, std::uint64_t until);
  void cut_if_full(trace_text& text, std::uint64_t now);
  void flush(trace_text& text) noexcept;
  double find_ns_per_tick() const noexcept;
};

/// RINGO_TRACE=path: traces this process from its first run to its end.
void trace_as_environment_says() noexcept;

}  // namespace ringo::detail
