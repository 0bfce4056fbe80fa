#pragma once

#include <atomic>
#include <cstdint>

namespace ringo::detail {

/// How many times run() has begun: which of them this is. What outlives a run can tell by it
/// whether the fibers it waits for are those of an earlier one, which never run again.
inline std::atomic<std::uint64_t> run_number{0};  // atomic: read by any thread

}  // namespace ringo::detail
