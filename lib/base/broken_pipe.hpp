#pragma once

#include <cstddef>

#include <sys/types.h>

/// Writing where nobody reads any more. The kernel answers with EPIPE, and with a SIGPIPE to the
/// writing thread, which ends the process by default. As in Go the signal is only for standard
/// output and standard error, so that `program | head` ends; a program that wants it for others
/// too subscribes to it (os::signal), or has a handler of its own. Nothing of the process is
/// changed for that: neither SIGPIPE's action nor the signal mask is inherited by its children.

namespace ringo::detail {

/// write(2), but EPIPE comes without the signal's default action: for descriptors 1 and 2 the
/// signal is as always, for others it is sent only if somebody has a handler for it. -1 and errno.
ssize_t write_unsignaled(int fd, const void* data, std::size_t size) noexcept;

/// After an EPIPE that came without the signal (as with MSG_NOSIGNAL): sends SIGPIPE to this thread
/// if somebody has a handler for it. Leaves errno alone.
void tell_of_broken_pipe() noexcept;

/// The flag of pwritev2(2), and of io_uring's writes, that suppresses the signal; 0: the kernel
/// knows none (before Linux 6.18). It holds for pipes; devices may refuse it with EOPNOTSUPP.
int no_signal_flag() noexcept;

/// What write_unsignaled() does if there is no such flag: keeps the signal from this thread
/// meanwhile, and takes it back. Three more system calls.
ssize_t write_masked(int fd, const void* data, std::size_t size) noexcept;

/// The same for other calls, which no flag helps: `call(subject)` moves up to `size` bytes, and
/// returns how many, or -1 and errno. One that has moved a part may have met the broken pipe, and
/// sent the signal, with the rest.
ssize_t call_masked(ssize_t (*call)(void* subject), void* subject, std::size_t size) noexcept;

}  // namespace ringo::detail
