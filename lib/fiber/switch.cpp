#include "fiber/switch.hpp"

#include <cxxabi.h>

#include <pthread.h>
#include <boost/context/detail/fcontext.hpp>

#include <ringo/detail/assert.hpp>

#if RINGO_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if RINGO_TSAN
#include <mutex>
#include <unordered_map>
#include <vector>
extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
}
#endif

extern "C" {

/// jump_fcontext, so that the CPU still predicts the returns behind it.
///
/// jump_fcontext is entered by a call and left by an indirect jump. Each switch thus leaves one
/// entry too many on the CPU's stack of return addresses, and all returns up to the user's frame
/// are mispredicted: some 20 ns a switch. This stub suspends in front of a return of its own, which
/// pairs with the call that entered it.
#if defined(__x86_64__)
asm(R"(
    .text
    .hidden ringo_jump
    .globl ringo_jump
    .type ringo_jump, @function
    .align 16
ringo_jump:
    .cfi_startproc
    lea 1f(%rip), %rax
    push %rax
    .cfi_adjust_cfa_offset 8
    jmp jump_fcontext@PLT
    .cfi_adjust_cfa_offset -8
    .hidden ringo_jump_resumes
    .globl ringo_jump_resumes
ringo_jump_resumes:
1:
    ret
    .cfi_endproc
    .size ringo_jump, . - ringo_jump
)");

/// Every context's outermost frame, ringo::detail::fiber_entry(): it ends whatever walks the stack.
///
/// Boost's own first frame has no unwind information, and leaves a frame pointer that is none; some
/// walkers went on from there into garbage. This one says that it has no caller, to those who read
/// unwind tables (an undefined return address) and to those who follow frame pointers (a null).
/// It is jumped through, not called, so that the CPU's stack of return addresses stays even; the
/// `nop` is what a walker finds in front of the return address.
asm(R"(
    .text
    .hidden _ZN5ringo6detail11fiber_entryEv
    .globl _ZN5ringo6detail11fiber_entryEv
    .type _ZN5ringo6detail11fiber_entryEv, @function
    .align 16
_ZN5ringo6detail11fiber_entryEv:
    .cfi_startproc
    .cfi_undefined rip
    xor %ebp, %ebp
    lea 1f(%rip), %rax
    mov %rax, (%rsp)
    jmp _ZN5ringo6detail13first_arrivalEN5boost7context6detail10transfer_tE
    nop
1:
    ud2
    .cfi_endproc
    .size _ZN5ringo6detail11fiber_entryEv, . - _ZN5ringo6detail11fiber_entryEv
)");
#else
ringo::detail::transfer ringo_jump(void* to, void* data) {
  const auto arrived = boost::context::detail::jump_fcontext(to, data);
  return {arrived.fctx, arrived.data};
}
#endif

}  // extern "C"

namespace ringo::detail {

void first_arrival(boost::context::detail::transfer_t transfer);
#if defined(__x86_64__)
void fiber_entry();  // passes its argument on
#else
constexpr auto fiber_entry = first_arrival;
#endif

namespace {

using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

#if RINGO_TSAN
// Without this flag TSan takes each switch for a synchronization.
constexpr unsigned tsan_no_sync = 1;

/// Making and destroying a handle is dear and their number is limited, so they are recycled; but
/// not for ever: a fiber ends without returning from the functions that began it, so each use
/// leaves a few entries on the handle's shadow stack, which has 64 Ki of them and no check.
class handle_pool {
 public:
  void* take() {
    std::lock_guard guard(lock_);
    if (unused_.empty()) return __tsan_create_fiber(0);
    void* handle = unused_.back();
    unused_.pop_back();
    return handle;
  }
  void put(void* handle) {
    std::lock_guard guard(lock_);
    if (++uses_[handle] < uses_max) {
      unused_.push_back(handle);
    } else {
      uses_.erase(handle);
      __tsan_destroy_fiber(handle);
    }
  }

 private:
  static constexpr int uses_max = 1'000;
  std::mutex lock_;  // held for a few instructions, and never across a switch
  std::vector<void*> unused_;
  std::unordered_map<void*, int> uses_;
};

handle_pool& handles() {
  static auto& pool = *new handle_pool;  // never destroyed: threads may outlive main()
  return pool;
}
#endif

#if RINGO_ASAN || RINGO_TSAN
RINGO_NO_TSAN void before_jump([[maybe_unused]] context& to,
                               [[maybe_unused]] departure& self) noexcept {
#if RINGO_ASAN
  // A null first argument tells ASan to free the fake stack of a stack that never comes back.
  __sanitizer_start_switch_fiber(self.dying ? nullptr : &self.from->fake_stack, to.bottom, to.size);
#endif
#if RINGO_TSAN
  __tsan_switch_to_fiber(to.tsan_fiber, tsan_no_sync);
#endif
}
#endif

}  // namespace

/// Where every context begins and ends. The last switch is a jump, not a call, from the frame that
/// was entered by a jump: all calls since then have been returned from, so the CPU predicts the
/// returns of whoever runs next. (The three calls that a fiber would otherwise end in cost three
/// wrong predictions, some 12 ns.)
__attribute__((visibility("hidden"), used)) RINGO_NO_TSAN void first_arrival(transfer_t transfer) {
#if RINGO_ASAN
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
  const auto start = static_cast<departure*>(transfer.data)->start;
  complete_switch({transfer.fctx, transfer.data}, {});
  departure last{};
  context& to = start(last);
#if defined(__x86_64__) && !RINGO_ASAN && !RINGO_TSAN
  asm volatile("jmp jump_fcontext@PLT" : : "D"(to.resume_at), "S"(&last) : "memory");
  __builtin_unreachable();
#else
  switch_to(to, last);
  invariant_broken("a context that has ended is never resumed", __FILE__, __LINE__);
#endif
}

exception_state* thread_exception_state() noexcept {
  // The ABI fixes the two members and their order; <cxxabi.h> leaves the type opaque.
  return reinterpret_cast<exception_state*>(abi::__cxa_get_globals());
}

#if RINGO_ASAN || RINGO_TSAN
RINGO_NO_TSAN void switch_to(context& to, departure& self) noexcept {
  exception_state mine;
  mine.copy_from(*self.globals);
  before_jump(to, self);
  const transfer arrived = ringo_jump(to.resume_at, &self);
#if RINGO_ASAN
  __sanitizer_finish_switch_fiber(self.from->fake_stack, nullptr, nullptr);
#endif
  complete_switch(arrived, mine);
}
#endif

RINGO_NO_TSAN void make_context(context& to, stack memory) noexcept {
  std::byte* top = memory.top();
  const auto usable = static_cast<std::size_t>(top - memory.base) - guard_size;
  to.resume_at = make_fcontext(top, usable, reinterpret_cast<void (*)(transfer_t)>(fiber_entry));
#if RINGO_ASAN
  to.bottom = memory.base + guard_size;
  to.size = usable;
  to.fake_stack = nullptr;
  __asan_unpoison_memory_region(to.bottom, usable);  // the last user's frames left their marks
#endif
#if RINGO_TSAN
  to.tsan_fiber = handles().take();
#endif
}

stack stack_of_thread() noexcept {
  pthread_attr_t attributes;
  if (::pthread_getattr_np(::pthread_self(), &attributes) != 0) return {};
  void* base = nullptr;
  std::size_t size = 0;
  ::pthread_attr_getstack(&attributes, &base, &size);
  ::pthread_attr_destroy(&attributes);
  return {static_cast<std::byte*>(base), size};
}

RINGO_NO_TSAN void adopt_thread_stack([[maybe_unused]] context& self) noexcept {
#if RINGO_ASAN
  const stack own = stack_of_thread();
  RINGO_VERIFY(own.base != nullptr);
  self.bottom = own.base;
  self.size = own.size;
#endif
#if RINGO_TSAN
  self.tsan_fiber = __tsan_get_current_fiber();
#endif
}

RINGO_NO_TSAN void release_context([[maybe_unused]] context& of) noexcept {
#if RINGO_TSAN
  if (of.tsan_fiber != nullptr) handles().put(of.tsan_fiber);
  of.tsan_fiber = nullptr;
#endif
}

}  // namespace ringo::detail
