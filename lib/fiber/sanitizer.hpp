#pragma once

#include <cstddef>

#include <ringo/detail/config.hpp>

/// What the sanitizers and Valgrind must be told about memory that fibers run on. All of it is
/// empty in a plain build, but for Valgrind's stack registration (a few instructions per stack
/// mapped).

#if RINGO_TSAN
extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}
#endif
#if RINGO_ASAN
#include <sanitizer/lsan_interface.h>
#endif
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif

namespace ringo::detail {

/// A recycled stack or control block goes to a new owner: what its old owner did with it came
/// before. The recycling itself is ordered by the one thread of a worker, which ThreadSanitizer
/// does not see.
inline void sanitizer_release([[maybe_unused]] void* memory) noexcept {
#if RINGO_TSAN
  __tsan_release(memory);
#endif
}
inline void sanitizer_acquire([[maybe_unused]] void* memory) noexcept {
#if RINGO_TSAN
  __tsan_acquire(memory);
#endif
}

/// Workers are made before any fiber runs on them; a fiber takes that over each time it arrives on
/// one.
inline void* sanitizer_world() noexcept {
  static char world = 0;
  return &world;
}

/// Fibers' stacks hold pointers: LeakSanitizer must look there, also for fibers that were left
/// over.
inline void sanitizer_register_slab([[maybe_unused]] void* begin,
                                    [[maybe_unused]] std::size_t size) noexcept {
#if RINGO_ASAN
  __lsan_register_root_region(begin, size);
#endif
}

inline void sanitizer_register_stack([[maybe_unused]] std::byte* base,
                                     [[maybe_unused]] std::size_t size) noexcept {
#ifdef VALGRIND_STACK_REGISTER
  VALGRIND_STACK_REGISTER(base, base + size);
#endif
}

}  // namespace ringo::detail
