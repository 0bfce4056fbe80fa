#pragma once

#include <atomic>
#include <cstdint>

namespace ringo::detail {

/// How much the last report of a process shows: RINGO_TRACEBACK, with the values of GOTRACEBACK.
enum class traceback : std::uint8_t {
  none,    ///< "none" or "0": only what has happened
  single,  ///< the fiber that is to blame; all of them if none is
  all,     ///< "all" or "1": every fiber
  system,  ///< "system" or "2": the same, with the frames of ringo itself
  crash    ///< the same, and a core dump
};
traceback wanted_traceback() noexcept;

/// Prints every fiber to descriptor 2, unless no stacks are wanted. Any thread with a large stack.
/// `but`: the number of one that is left out.
void print_all_fibers(std::uint64_t but = 0) noexcept;

/// The same for a report about one fiber, if all are wanted: the thread in run() does it, since the
/// caller's stack may be full, and what it has interrupted may hold any lock. Waits for it, but not
/// for ever. After begin_last_report(). `but`: the number of the one that is shown already.
void print_other_fibers(std::uint64_t but) noexcept;

/// SIGQUIT prints every fiber and ends the process, where nobody has said what it is to do: its
/// action was the default when the run began.
///
/// 1. The handler, on any thread: notes what is wanted, and wakes the thread in run(). No run: the
///    default action.
/// 2. That thread, which otherwise only waits: serve_reports().
void install_quit_handler(std::atomic<std::uint32_t>& caller_word) noexcept;

/// By the thread in run(), whenever it is woken: does what others have asked for. May end the
/// process.
void serve_reports() noexcept;
/// The same when the run has ended: gives SIGQUIT back as well.
void remove_quit_handler() noexcept;
/// In the child of a fork, which has no such thread.
void leave_reports_to_parent() noexcept;

}  // namespace ringo::detail
