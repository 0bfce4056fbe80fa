#pragma once

#include <cstdint>
#include <string>

namespace ringo::detail {

class scheduler;

/// True: the process has a thread that ringo did not start, other than the one blocked in run(); it
/// may make any fiber ready. Read from /proc/self/task; true when that cannot be read.
bool foreign_threads(const scheduler& s, std::int32_t caller_thread) noexcept;

/// Nothing can ever wake a fiber: prints all of them and ends the process.
[[noreturn]] void report_deadlock(const scheduler& s) noexcept;

/// Appends the fibers that are blocked in a bubble, as dump_fibers() prints them.
void describe_bubble(std::string& to, std::uint16_t place);

/// Prints every fiber with its state, wait reason and spawn site to descriptor 2.
void dump_fibers() noexcept;

}  // namespace ringo::detail
