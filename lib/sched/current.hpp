#pragma once

#include <ringo/detail/config.hpp>

/// Who runs here: the only home of thread_local.
///
/// A fiber may wake up on another thread, and both compilers keep the address of a thread_local, or
/// what they read through it, across a call that parks. So nothing here returns an address or a
/// reference into thread-local storage, nobody keeps what it returns across a park, and what is
/// read at each switch is read by instructions that the compiler does not look into.

namespace ringo::detail {

struct fiber;
class worker;

/// The worker whose thread this is; null on plain threads, and inside blocking().
#if defined(__x86_64__) && !RINGO_TSAN
inline worker* current_worker() noexcept {
  worker* w = nullptr;
  asm volatile(
      "movq ringo_tls_worker@GOTTPOFF(%%rip), %0\n\t"
      "movq %%fs:(%0), %0"
      : "=r"(w));
  return w;
}
#else
worker* current_worker() noexcept;
#endif
void set_current_worker(worker* w) noexcept;

/// The worker whose thread this is, inside blocking() too. For signal handlers.
worker* worker_of_thread() noexcept;
void set_worker_of_thread(worker* w) noexcept;

/// The running fiber, or the one that stands for this plain thread (made at first use, recycled
/// when the thread ends).
fiber* current_fiber();

/// The fiber whose stack this is: as current_fiber(), but inside blocking() the fiber itself. For
/// what belongs to the fiber and does not park.
fiber* stack_owner();

/// How many mutexes of the system this thread holds, as held_mutexes.cpp counts them. Never below
/// 0: a fiber may unlock on another thread what it has locked here.
void count_mutex(int change) noexcept;
/// And begins again with none, so that no later fiber is blamed.
int take_mutexes() noexcept;

}  // namespace ringo::detail
