#pragma once

#include <cstdint>

#include <ringo/detail/cancellable.hpp>
#include <ringo/result.hpp>

namespace ringo::io {

/// What a file descriptor is ready for, or is waited for: a set of flags.
enum class readiness : std::uint8_t { none = 0, readable = 1, writable = 2 };

inline constexpr readiness readable = readiness::readable;
inline constexpr readiness writable = readiness::writable;

constexpr readiness operator|(readiness a, readiness b) noexcept {
  return static_cast<readiness>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr readiness operator&(readiness a, readiness b) noexcept {
  return static_cast<readiness>(static_cast<unsigned>(a) & static_cast<unsigned>(b));
}
/// Whether the sets share a flag.
constexpr bool any(readiness set) noexcept {
  return set != readiness::none;
}

/// Waits until a file descriptor that belongs to somebody else (a client library, say) is ready for
/// at least one of `wanted`; tells for which. Level-triggered: a descriptor that is ready already
/// is reported at once. A hang-up or an error on it counts as ready for all that is wanted: the
/// next call on the descriptor tells more. Nothing of the descriptor is changed, not even its
/// O_NONBLOCK, and nothing is kept after the return.
///
/// Blocks only the fiber, or the plain thread. Without a context it waits for ever; with one it
/// gives up with ctx.err(), at once if the context is done on entry. Errors: EBADF; EINVAL if
/// nothing is wanted; those of the kernel for want of memory, descriptors (two waits for the same
/// number) or watches. A regular file is always ready. Panics "nil context".
///
/// Thread-safe; several fibers may wait for one descriptor. It must stay open until the call
/// returns: a descriptor that is closed under it may never be reported. Two or three system calls.
/// Source: poll(2); Go's RawConn.
result<readiness> wait_fd(const context& ctx, int fd, readiness wanted);
/// The same without a context.
result<readiness> wait_fd(int fd, readiness wanted);

}  // namespace ringo::io
