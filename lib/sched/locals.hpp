#pragma once

namespace ringo::detail {

struct fiber;

/// Destroys a fiber's (or plain thread's) fiber_local values, in reverse order of their making. May
/// park.
void destroy_locals(fiber& owner) noexcept;
/// Frees their memory without running a destructor: for fibers that were left over.
void release_locals_memory(fiber& owner) noexcept;

}  // namespace ringo::detail
