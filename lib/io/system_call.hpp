#pragma once

#include <cstdint>

#include "source/operation.hpp"

namespace ringo::detail {

/// Makes the operation's system call. The result, or -errno: -EAGAIN if it would have to wait, as
/// its descriptor is non-blocking or the call is told so. EINTR is not seen. Blocks for regular
/// files; for shared streams see shared_stream.hpp.
std::int64_t make_call(const operation& op) noexcept;

}  // namespace ringo::detail
