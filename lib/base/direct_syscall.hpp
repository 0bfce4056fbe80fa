#pragma once

#include <cerrno>

#include <unistd.h>

namespace ringo::detail {

/// A system call of up to six arguments. The result, or -errno: errno is not written.
///
/// Past the C library, whose functions make a thread cancellable meanwhile (pthreads(7)), which no
/// thread that runs fibers may be, and which takes two atomic steps for each call; its own
/// syscall(2) lies on a page, and in cache lines, that nothing else on the way needs.
inline long direct_syscall(long number, long a, long b, long c, long d, long e, long f) noexcept {
#if defined(__x86_64__)
  long result = number;
  register long fourth asm("r10") = d;
  register long fifth asm("r8") = e;
  register long sixth asm("r9") = f;
  asm volatile("syscall"
               : "+a"(result)
               : "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
               : "rcx", "r11", "memory");
  return result;
#else
  const long result = ::syscall(number, a, b, c, d, e, f);
  return result != -1 ? result : -errno;
#endif
}

}  // namespace ringo::detail
