#pragma once

#include <cstdint>

namespace ringo::detail {

/// Names a testing::bubble; no two of a process have the same. 0: none. Channels, timers and what
/// else belongs to a bubble remember it.
using bubble_id = std::uint32_t;

/// Of the running fiber's bubble.
bubble_id current_bubble() noexcept;

/// What an operation on something of the bubble `owner` begins with. Panics unless the caller runs
/// in the bubble `owner`.
void check_bubble(bubble_id owner, const char* what);

}  // namespace ringo::detail
