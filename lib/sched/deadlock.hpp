#pragma once

#include <cstdint>

namespace ringo::detail {

class scheduler;

/// The last worker is about to sleep, and ringo has nothing pending. Ends the process with a report, unless
/// the process has a thread that ringo did not start, other than the one blocked in run().
void report_if_deadlocked(const scheduler& s, std::int32_t caller_thread) noexcept;

/// Prints every fiber with its state, wait reason and spawn site to descriptor 2.
void dump_fibers() noexcept;

}  // namespace ringo::detail
