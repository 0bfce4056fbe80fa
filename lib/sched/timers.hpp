#pragma once

#include "source/timer_heap.hpp"

namespace ringo::detail {

/// Adds a timer to the heap of the running fiber's bubble, if it is in one, else to the running
/// worker's; from a plain thread, to the first worker's, which is woken if need be. Any thread;
/// never blocks.
void add_timer(timer_node& timer, time_point when);
/// The same outside of bubbles, wherever the caller is: for a real time.
void add_real_timer(timer_node& timer, time_point when);

/// The heap for who parks on a timer: as add_timer(), but inside blocking() that of a plain thread,
/// where time goes on.
timer_heap& timers_here() noexcept;

}  // namespace ringo::detail
