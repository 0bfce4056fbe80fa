#include "fiber/unwind.hpp"

#include <unwind.h>

#include <ringo/detail/config.hpp>

/// The C++ runtime's unwinder starts where it is called. To make it walk a stack that does not run,
/// it is called by a function whose unwind tables lie: they say that the caller's registers are
/// those which the suspended stack has saved. So no second unwinder is needed, and what the first
/// one can do (any frame with .eh_frame) works for parked fibers as well.

namespace ringo::detail {
namespace {

struct walk {
  void** frames;
  std::size_t limit;
  std::size_t count;
  std::size_t skip;
};

/// Not instrumented: the stack that it runs for is not the one that it runs on.
RINGO_NO_TSAN _Unwind_Reason_Code note_frame(_Unwind_Context* at, void* argument) {
  auto& w = *static_cast<walk*>(argument);
  const auto address = _Unwind_GetIP(at);
  if (address == 0) return _URC_END_OF_STACK;
  if (w.skip > 0) {
    --w.skip;
    return _URC_NO_REASON;
  }
  if (w.count == w.limit) return _URC_END_OF_STACK;
  w.frames[w.count++] = reinterpret_cast<void*>(address);  // NOLINT(performance-no-int-to-ptr)
  return _URC_NO_REASON;
}

}  // namespace

#if defined(__x86_64__)

extern "C" {

/// _Unwind_Backtrace(note, argument), but of the stack with six saved registers and a return
/// address at `saved`.
void ringo_unwind_saved(const void* saved,
                        _Unwind_Reason_Code (*note)(_Unwind_Context*, void*),
                        void* argument);

// To the unwinder this is a frame that a signal has interrupted: it then looks its caller up at the
// very address where that stopped, not in front of it.
asm(R"(
    .text
    .hidden ringo_unwind_saved
    .globl ringo_unwind_saved
    .type ringo_unwind_saved, @function
ringo_unwind_saved:
    .cfi_startproc
    .cfi_signal_frame
    push %rbx
    .cfi_def_cfa_offset 16
    .cfi_offset %rbx, -16
    mov %rdi, %rbx
    mov %rsi, %rdi
    mov %rdx, %rsi
    .cfi_remember_state
    .cfi_def_cfa %rbx, 56
    .cfi_offset %r12, -56
    .cfi_offset %r13, -48
    .cfi_offset %r14, -40
    .cfi_offset %r15, -32
    .cfi_offset %rbx, -24
    .cfi_offset %rbp, -16
    call _Unwind_Backtrace@PLT
    .cfi_restore_state
    pop %rbx
    .cfi_def_cfa_offset 8
    .cfi_restore %rbx
    ret
    .cfi_endproc
    .size ringo_unwind_saved, . - ringo_unwind_saved
)");

/// Where every suspended stack goes on; see switch.cpp.
extern const char ringo_jump_resumes[] __attribute__((visibility("hidden")));

}  // extern "C"

/// Not instrumented: reads a stack that it does not run on.
__attribute__((no_sanitize("address"))) RINGO_NO_TSAN std::size_t unwind(
    const context& at, void** frames, std::size_t limit) noexcept {
  // jump_fcontext saves r12 to r15, rbx, rbp and the return address in this order; what comes
  // before depends on the version of Boost.
  constexpr std::size_t registers = 6;
  constexpr std::size_t before_max = 3;
  const auto* saved = static_cast<void* const*>(at.resume_at);
  if (saved == nullptr) return 0;
  for (std::size_t before = 1; before <= before_max; ++before) {
    if (saved[before + registers] != ringo_jump_resumes) continue;
    constexpr std::size_t own_frames = 2;  // the function above, and the switch
    walk w{frames, limit, 0, own_frames};
    ringo_unwind_saved(saved + before, &note_frame, &w);
    return w.count;
  }
  return 0;
}

#else

std::size_t unwind(const context&, void**, std::size_t) noexcept {
  return 0;
}

#endif

RINGO_NOINLINE std::size_t unwind_here(void** frames, std::size_t limit) noexcept {
  walk w{frames, limit, 0, 1};
  _Unwind_Backtrace(&note_frame, &w);
  return w.count;
}

}  // namespace ringo::detail
