#pragma once

#include <cstddef>

#include <sys/types.h>

/// Reads and writes of pipes and terminals whose blocking mode is not ours: it belongs to the open
/// file description, which the shell and other processes share with us, and they do not expect to
/// find it changed. So the call is made such that it does not block, in whatever mode. -1 and
/// errno.
///
/// Linux 6.4 has flags for pipes. Where there are none (terminals, older kernels) the descriptor is
/// asked first; then a call may still block if somebody else takes what was there in the moment
/// between, and a write to a terminal whose output is held up (Ctrl-S) does.

namespace ringo::detail {

/// EAGAIN: nothing to read now.
ssize_t read_shared(int fd, void* to, std::size_t size) noexcept;

/// EAGAIN: no room now. As write_unsignaled().
ssize_t write_shared(int fd, const void* from, std::size_t size) noexcept;

/// A number of its own, not blocking and closed on exec, for a terminal; -1: it is none, or may not
/// be opened. What is written comes out in one stream with what goes to `fd`.
int reopen_terminal(int fd) noexcept;

}  // namespace ringo::detail
