#pragma once

#include <atomic>
#include <cstdint>

#include "io/io_wait.hpp"
#include "source/operation.hpp"

/// Calls on files that are always ready, and take as long as they take.
///
/// What is in memory is read at once, on the spot. So is what is written if it is not much, since a
/// write only goes to memory, as a rule: in a section that lets other fibers go on elsewhere. All
/// else is carried out by a thread of the file pool; with io_uring, what names its place (pread,
/// pwrite) by the engine. Plain threads just make the call.

namespace ringo::detail {

/// How a file takes it if it is asked to read only what is in memory (RWF_NOWAIT).
enum class memory_reads : std::uint8_t {
  answered,  ///< or not asked yet
  refused,   ///< by its file system: procfs, FUSE, kernels before 4.14
  all        ///< refused, but the file system has nothing but memory
};

/// What is remembered of the flags of open(2).
struct file_mode {
  bool appends = false;
  bool writes_through = false;  ///< a write waits for the disk: O_SYNC, O_DSYNC, O_DIRECT

  static file_mode of(int flags) noexcept;
};

/// What of the descriptor matters here.
struct file_traits {
  file_mode mode = {};                                      // immutable
  std::atomic<memory_reads> reads{memory_reads::answered};  // atomic: any reader finds out
};

/// Where the wait is listed, and what the caller holds; see wait_for_operation().
struct file_wait {
  io_slot* slot;
  cancellation* stop;
  io_holder* holder;
};

/// Makes the operation's call. Its result, or -errno; -EAGAIN, -ECANCELED: look at the state of
/// things, and try again. A read or write may do less than it could. Blocks.
std::int64_t call_file(operation& op, file_traits& file, const file_wait& wait);

}  // namespace ringo::detail
