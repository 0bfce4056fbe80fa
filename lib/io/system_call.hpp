#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>

#include <sys/socket.h>
#include <sys/syscall.h>

#include <ringo/detail/config.hpp>

#include "base/direct_syscall.hpp"
#include "source/operation.hpp"

namespace ringo::detail {

/// What one call moves at most, as in Go: some systems' calls fail above 2 GiB.
inline constexpr std::size_t call_size_max = std::size_t{1} << 30;

/// Makes the operation's system call. The result, or -errno: -EAGAIN if it would have to wait, as
/// its descriptor is non-blocking or the call is told so. EINTR is not seen. Blocks for regular
/// files; for shared streams see shared_stream.hpp.
std::int64_t make_call(const operation& op) noexcept;

// Of a `receive` and of a `send`, inlined.

inline std::int64_t receive_now(int fd, void* to, std::size_t size, int flags) noexcept {
  size = std::min(size, call_size_max);
  flags |= MSG_DONTWAIT;
  for (;;) {
#if RINGO_ASAN || RINGO_TSAN  // what they know
    const std::int64_t count = ::recv(fd, to, size, flags);
    const std::int64_t result = count >= 0 ? count : -errno;
#else
    const std::int64_t result = direct_syscall(
        SYS_recvfrom, fd, reinterpret_cast<long>(to), static_cast<long>(size), flags, 0, 0);
#endif
    if (result != -EINTR) return result;
  }
}

inline std::int64_t send_now(int fd, const void* from, std::size_t size, int flags) noexcept {
  size = std::min(size, call_size_max);
  flags |= MSG_DONTWAIT;
  for (;;) {
#if RINGO_ASAN || RINGO_TSAN  // what they know
    const std::int64_t count = ::send(fd, from, size, flags);
    const std::int64_t result = count >= 0 ? count : -errno;
#else
    const std::int64_t result = direct_syscall(
        SYS_sendto, fd, reinterpret_cast<long>(from), static_cast<long>(size), flags, 0, 0);
#endif
    if (result != -EINTR) return result;
  }
}

}  // namespace ringo::detail
