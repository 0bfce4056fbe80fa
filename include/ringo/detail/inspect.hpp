#pragma once

#include <cstddef>
#include <cstdint>

namespace ringo::detail {

/// How many fibers are parked, sleepers included; a snapshot. O(fibers). For tests and dumps.
std::size_t parked_count() noexcept;

/// What the fiber of that number waits for, as dumps show it; null when it is not parked.
/// O(fibers).
const char* wait_reason_of(std::uint64_t id) noexcept;

}  // namespace ringo::detail
