#pragma once

#include <cstddef>

#include "fiber/switch.hpp"

namespace ringo::detail {

/// The return addresses on a stack at rest, newest first, without the switch itself; returns how
/// many of at most `limit` it has found. None for a stack that has not run yet, and on machines
/// other than x86-64. The stack is only read, and stays at rest meanwhile: the caller holds it.
/// Neither allocates nor waits.
std::size_t unwind(const context& at, void** frames, std::size_t limit) noexcept;

/// The same for the running stack, from the caller on.
std::size_t unwind_here(void** frames, std::size_t limit) noexcept;

}  // namespace ringo::detail
