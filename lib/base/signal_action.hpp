#pragma once

#include <csignal>

#include <ringo/detail/config.hpp>

/// What the kernel does with a signal.

#if RINGO_TSAN
// ThreadSanitizer puts a handler of its own before each that sigaction() installs. That one keeps a
// signal back until the thread next calls something that it intercepts, which may be never, and
// drops it if the disposition was changed meanwhile. So this build tells the kernel directly, by
// the C library's second name of the same function.
extern "C" int __sigaction(int,  // NOLINT(bugprone-reserved-identifier): the name in glibc
                           const struct sigaction*,
                           struct sigaction*) noexcept;
#endif

namespace ringo::detail {

/// sigaction(2); with null only asks. In a build with ThreadSanitizer the handler must be
/// RINGO_UNINSTRUMENTED, as it may interrupt the sanitizer itself. Zero, or -1 and errno.
inline int change_action(int signal,
                         const struct sigaction* wanted,
                         struct sigaction* before) noexcept {
#if RINGO_TSAN
  return __sigaction(signal, wanted, before);
#else
  return ::sigaction(signal, wanted, before);
#endif
}

#if RINGO_TSAN && defined(__clang__)
#define RINGO_UNINSTRUMENTED __attribute__((disable_sanitizer_instrumentation))
#else
#define RINGO_UNINSTRUMENTED
#endif

}  // namespace ringo::detail
