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

#if RINGO_ASAN || RINGO_TSAN  // what they know
inline std::int64_t receive_once(int fd, void* to, std::size_t size, int flags) noexcept {
  const std::int64_t count = ::recv(fd, to, size, flags);
  return count >= 0 ? count : -errno;
}
inline std::int64_t send_once(int fd, const void* from, std::size_t size, int flags) noexcept {
  const std::int64_t count = ::send(fd, from, size, flags);
  return count >= 0 ? count : -errno;
}
#else
inline std::int64_t transfer_once(
    long number, int fd, const void* data, std::size_t size, int flags) noexcept {
  const auto address = reinterpret_cast<long>(data);
  return direct_syscall(number, fd, address, static_cast<long>(size), flags, 0, 0);
}
inline std::int64_t receive_once(int fd, void* to, std::size_t size, int flags) noexcept {
  return transfer_once(SYS_recvfrom, fd, to, size, flags);
}
inline std::int64_t send_once(int fd, const void* from, std::size_t size, int flags) noexcept {
  return transfer_once(SYS_sendto, fd, from, size, flags);
}
#endif

// As make_call() makes a `receive` and a `send`, inlined.

inline std::int64_t receive_now(int fd, void* to, std::size_t size, int flags) noexcept {
  for (;;) {
    const auto result = receive_once(fd, to, std::min(size, call_size_max), flags | MSG_DONTWAIT);
    if (result != -EINTR) return result;
  }
}

/// Of receive_now() from a stream: whether the socket was empty then. A short read empties it
/// (epoll(7)); a full one says nothing.
inline bool empties(std::int64_t result, std::size_t size) noexcept {
  return result > 0 && static_cast<std::size_t>(result) < std::min(size, call_size_max);
}

inline std::int64_t send_now(int fd, const void* from, std::size_t size, int flags) noexcept {
  for (;;) {
    const auto result = send_once(fd, from, std::min(size, call_size_max), flags | MSG_DONTWAIT);
    if (result != -EINTR) return result;
  }
}

}  // namespace ringo::detail
