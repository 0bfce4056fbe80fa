#pragma once

// How much of the heap the process uses.

#include <cstddef>

#include <malloc.h>

#include <ringo/detail/config.hpp>

#if RINGO_ASAN || RINGO_TSAN
#include <sanitizer/allocator_interface.h>
#endif

namespace ringo::test {

/// Bytes that the process has allocated and not freed.
inline std::size_t heap_in_use() {
#if RINGO_ASAN || RINGO_TSAN
  return __sanitizer_get_current_allocated_bytes();
#else
  return ::mallinfo2().uordblks + ::mallinfo2().hblkhd;
#endif
}

}  // namespace ringo::test
