#pragma once

#include <cstddef>

/// Compilers, sanitizers and sizes that the rest of ringo builds on.

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RINGO_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define RINGO_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define RINGO_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define RINGO_TSAN 1
#endif
#ifndef RINGO_ASAN
#define RINGO_ASAN 0
#endif
#ifndef RINGO_TSAN
#define RINGO_TSAN 0
#endif

#define RINGO_NOINLINE __attribute__((noinline))
/// Not instrumented: reads what is ordered by the one thread of a worker, which ThreadSanitizer
/// cannot see, because it takes each fiber for a thread. Only lib/ uses it, and each use says why.
#define RINGO_NO_TSAN __attribute__((no_sanitize_thread))
#define RINGO_LIKELY(x) __builtin_expect(static_cast<bool>(x), 1)
#define RINGO_UNLIKELY(x) __builtin_expect(static_cast<bool>(x), 0)

namespace ringo::detail {

/// std::hardware_destructive_interference_size is missing from clang 14 with libstdc++ 12.
inline constexpr std::size_t cache_line = 64;

/// A code address in the function that this is inlined into: where a fiber was spawned. Volatile,
/// or else two spawns of one function would share it.
[[gnu::always_inline]] inline const void* code_here() noexcept {
#if defined(__x86_64__)
  const void* here = nullptr;
  asm volatile("leaq 0(%%rip), %0" : "=r"(here));
  return here;
#else
  return __builtin_return_address(0);  // of its caller, at least
#endif
}

}  // namespace ringo::detail
