#pragma once

#include <array>
#include <atomic>
#include <cstddef>

#include <ringo/detail/spinlock.hpp>

#include "source/clock.hpp"

/// Pipes that bytes pass through on their way from one descriptor to another, inside the kernel.
/// Making one costs some ten system calls' time, so that a few empty ones are kept: until the run
/// ends, or nobody has used them for a while. As in parked_trim.hpp, a runtime that has gone to
/// sleep is not woken for that.

namespace ringo::detail {

/// Both ends are non-blocking, and closed on exec.
struct kernel_pipe {
  int reader = -1;
  int writer = -1;

  explicit operator bool() const noexcept { return reader >= 0; }
};

class pipe_pool {
 public:
  static pipe_pool& instance();

  /// One that is empty; none: the system gives none.
  kernel_pipe take() noexcept;
  /// It must be empty. Any thread, but nobody after the run that it was taken in.
  void give_back(kernel_pipe unused) noexcept;
  /// Instead, if there may be something in it, or the run is over.
  static void close(kernel_pipe used) noexcept;

  /// Closes those that nobody has used for a while.
  void trim(time_point now) noexcept;
  /// Closes all that are here.
  void close_all() noexcept;
  std::size_t size() const noexcept { return count_.load(); }
  /// In the child of a fork, where nothing else runs: the spares are the parent's too.
  void forget() noexcept;

 private:
  static constexpr std::size_t pipes_max = 16;
  static constexpr auto idle_max = std::chrono::seconds(10);

  struct spare {
    kernel_pipe pipe;
    time_point since;
  };

  spinlock lock_;
  std::array<spare, pipes_max> spares_ RINGO_GUARDED_BY(lock_);  // the oldest first
  std::atomic<std::size_t> count_{0};  // atomic: changed under the lock, read without

  void close_older_than(time_point limit) noexcept;
};

}  // namespace ringo::detail
