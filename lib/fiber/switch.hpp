#pragma once

#include <cstddef>

#include <ringo/detail/config.hpp>

#include "fiber/stack.hpp"

/// The switch from one stack to another: Boost.Context's fcontext, together with everything that
/// has to travel with a stack: C++ exception state, and what the sanitizers know about it.
///
/// Protocol of a switch from A to B on one thread:
/// 1. A keeps its exception state in its own frame and jumps, passing the address of its departure.
/// 2. B arrives (in switch_to(), or for the first time in its start function): it stores where A
///    stopped, puts its own exception state into the globals of the thread, and runs A's `after`.
/// 3. `after` publishes A: it releases the lock that guards A's place in a queue, or pushes A to a
///    run queue, or recycles A's stack. From then on A may run elsewhere, and its departure is
///    gone, or that of the next one who leaves on this thread.
/// Invariant: nobody can resume A before A's registers are saved. `after` runs on B's stack, so it
/// must not park, throw, or look at A's departure.
///
/// To ThreadSanitizer each fiber is a thread, and a switch orders nothing: races between fibers
/// that happen to share a worker are found. Whatever `after` releases for A must therefore carry
/// A's history: see spinlock::prepare_handover().

namespace ringo::detail {

/// The part of the C++ runtime's per-thread state that belongs to a stack (the Itanium C++ ABI's
/// __cxa_eh_globals): the exceptions being handled, and how many are in flight.
struct exception_state {
  void* caught;
  unsigned int uncaught;

  /// Member by member, to and from memory alike: a copy of the whole may read in one piece what was
  /// written in two a moment ago, and then waits for both to reach the cache.
  RINGO_NO_TSAN void copy_from(const exception_state& other) noexcept {
    caught = other.caught;
    uncaught = other.uncaught;
  }
};

/// A stack that can be switched to.
struct context {
  void* resume_at = nullptr;  // where it goes on, or went on last; null: it was never suspended
#if RINGO_ASAN
  void* fake_stack = nullptr;
  const void* bottom = nullptr;
  std::size_t size = 0;
#endif
#if RINGO_TSAN
  void* tsan_fiber = nullptr;
#endif
};

struct departure {
  context* from = nullptr;
  exception_state* globals = nullptr;  // of the thread on which the switch happens
  void (*after)(void*, const void*, void*) noexcept = nullptr;  // called with the next three
  void* first = nullptr;
  const void* second = nullptr;
  void* third = nullptr;
  // What a context that runs for the first time calls. It returns when it wants to run no more:
  // where to go, having filled the departure.
  context& (*start)(departure& last) noexcept = nullptr;
  bool dying = false;  // `from` is never resumed
};

/// This thread's exception state. The address is the thread's: never keep it across a switch.
exception_state* thread_exception_state() noexcept;

/// What a jump brings along: where the other side stopped, and its departure.
struct transfer {
  void* stopped_at;
  void* data;
};
extern "C" transfer ringo_jump(void* to, void* data);

#if RINGO_TSAN
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

/// Steps 2 and 3, on the stack that was switched to; `mine` is its exception state. Not
/// instrumented: the other side wrote the departure on this thread, a moment ago. For the same
/// reason ThreadSanitizer ignores what `after` accesses (atomics too, which an attribute cannot
/// do), but not what it synchronizes.
RINGO_NO_TSAN inline void complete_switch(const transfer& arrived,
                                          const exception_state& mine) noexcept {
  const departure& other = *static_cast<departure*>(arrived.data);
  other.from->resume_at = arrived.stopped_at;
  other.globals->copy_from(mine);
#if RINGO_TSAN
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
#endif
  other.after(other.first, other.second, other.third);
#if RINGO_TSAN
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
#endif
}

/// Leaves the running stack for `to`. Returns when somebody switches back, perhaps on another
/// thread. Inline: every call between the jump and the user's frame is one more return to predict.
#if RINGO_ASAN || RINGO_TSAN
void switch_to(context& to, departure& self) noexcept;
#else
[[gnu::always_inline]] inline void switch_to(context& to, departure& self) noexcept {
  exception_state mine;
  mine.copy_from(*self.globals);
  complete_switch(ringo_jump(to.resume_at, &self), mine);
}
#endif

/// Prepares `to` so that the first switch to it calls the departure's `start` on `memory`. The last
/// switch away from it is made when `start` has returned.
void make_context(context& to, stack memory) noexcept;

/// Makes the running thread's own stack a context to return to.
void adopt_thread_stack(context& self) noexcept;

/// The calling thread's own; none if the system does not tell.
stack stack_of_thread() noexcept;

/// Gives back what a sanitizer keeps for a context that is not running.
void release_context(context& of) noexcept;

}  // namespace ringo::detail
