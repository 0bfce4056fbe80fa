#pragma once

#include <cstdint>

namespace ringo::detail {

/// Uniform in [0, bound), from the caller's worker or, on a plain thread, from a source of its own.
std::uint32_t random_below(std::uint32_t bound) noexcept;

}  // namespace ringo::detail
