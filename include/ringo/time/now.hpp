#pragma once

#include <chrono>

namespace ringo {

/// The time of the clock that ringo's timers follow; use it for every deadline. The steady clock:
/// setting the system's time has no effect on it. Never blocks. Thread-safe. O(1), allocates
/// nothing.
/// Source: the monotonic half of Go's time.Now.
std::chrono::steady_clock::time_point now() noexcept;

}  // namespace ringo
