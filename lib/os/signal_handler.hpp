#pragma once

#include <atomic>
#include <cstdint>

/// The part of the signals that the kernel talks to: the actions, and the handler that counts. The
/// protocol is in signal_hub.hpp; all but the handler itself is called under the hub's lock.

namespace ringo::detail {

inline constexpr int signals_max = 64;

/// Step 7. Does nothing to a signal that has the handler already, or cannot have one.
void install_handler(int signal) noexcept;
/// Step 8, for stop and reset: the action that the signal had before install_handler() or
/// ignore_signal(), unless another library has changed it since.
void give_back_action(int signal) noexcept;
/// Step 8, for ignore.
void ignore_signal(int signal) noexcept;
/// Step 9.
void wait_for_handlers(int signal) noexcept;
/// How often the signal has arrived since this was last asked.
std::uint32_t take_arrived(int signal) noexcept;
/// Changes, and is woken as a futex, whenever a signal has arrived.
std::atomic<std::uint32_t>& signal_events() noexcept;
/// In the child of a fork.
void leave_signals_to_parent() noexcept;

}  // namespace ringo::detail
