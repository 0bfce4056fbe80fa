#pragma once

namespace ringo::detail {

/// Prints the broken condition and aborts. A broken invariant never unwinds.
[[noreturn]] void invariant_broken(const char* condition, const char* file, int line) noexcept;

}  // namespace ringo::detail

/// Always checked: where a wrong step would corrupt memory or lose a wake-up.
#define RINGO_VERIFY(condition)       \
  (__builtin_expect(!!(condition), 1) \
       ? static_cast<void>(0)         \
       : ::ringo::detail::invariant_broken(#condition, __FILE__, __LINE__))

/// Checked in debug, sanitizer and test builds.
#if !defined(NDEBUG) || defined(RINGO_ASSERTIONS)
#define RINGO_ASSERT(condition) RINGO_VERIFY(condition)
#else
#define RINGO_ASSERT(condition) static_cast<void>(sizeof(!(condition)))
#endif
