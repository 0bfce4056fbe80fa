#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <ringo/detail/chan_core.hpp>

namespace ringo::detail {

/// One case of a select, type-erased.
struct select_op {
  chan_core* channel = nullptr;  ///< null: a nil channel, never ready
  void* slot = nullptr;          ///< the value to send, or raw memory for the one to receive
  bool sending = false;
  bool ok = false;  ///< of the case that ran: a value was transferred; false: the channel is closed
};

inline constexpr std::size_t no_case = SIZE_MAX;
inline constexpr std::size_t select_cases_max = 65536;

/// Blocks until one case can go on, and runs it: returns its index. A send on a closed channel
/// counts as able to go on, with ok == false.
std::size_t select_blocking(std::span<select_op> ops);
/// The same, but returns no_case when none can go on now.
std::size_t select_now(std::span<select_op> ops);

}  // namespace ringo::detail
