#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>

#include <ringo/context.hpp>
#include <ringo/result.hpp>

namespace ringo::debug {

/// Writes a trace to a file, from now on: what each worker does, and who makes whom ready, as
/// https://ui.perfetto.dev and chrome://tracing show it. The file is created, or emptied. An empty
/// path ends the trace; the file is complete when that returns. RINGO_TRACE=path in the environment
/// traces the whole process, from its first run to its exit.
///
/// Each worker is a track. On it each run of a fiber is a slice, named after the fiber or where it
/// was created; its arguments are the fiber's id, for how many microseconds it was queued before,
/// if it had been made ready, and how it ended: what it parked on, "yield" or "end". An arrow leads
/// from the run that made a fiber ready to that fiber's next run; there is none from timers, I/O
/// and plain threads. Sleeps, polls (system calls of the engine, and what they have ended),
/// blocking(), stealing and lost turns are there too.
///
/// Does not stop anybody: a worker notes what it does in a buffer of 2 MiB of its own, and a thread
/// beside the workers writes it, up to a third of a second late: a process that is killed leaves a
/// file without that. What finds no room is dropped; the trace shows where, and how much.
/// Not traced, a program pays nothing.
///
/// Blocks the thread while the file is opened, or until it is written. Errors: those of open(2);
/// std::errc::device_or_resource_busy if a trace is being written already;
/// std::errc::resource_unavailable_try_again if there may be no more threads. Of the end: the first
/// error of write(2), whatever came behind it is missing; none if no trace was begun here. Never
/// throws. Any fiber or thread.
[[nodiscard]] std::error_code set_trace(std::string_view path) noexcept;

/// The text of a trace of so long, and of at most `limit` bytes, or 64 KiB: where more happens it
/// ends earlier, as a whole trace, and says so ("cut" in the arguments of its last event).
///
/// Blocks only the fiber, but for the moment in which the last is written; on a plain thread, the
/// thread. Errors: as set_trace(); ctx.err() when the context is done first; not_enough_memory.
/// May throw std::bad_alloc. Panics "nil context". Any fiber or thread.
result<std::string> trace_for(const context& ctx,
                              std::chrono::nanoseconds duration,
                              std::size_t limit = std::size_t{64} << 20);
result<std::string> trace_for(std::chrono::nanoseconds duration,
                              std::size_t limit = std::size_t{64} << 20);

}  // namespace ringo::debug
