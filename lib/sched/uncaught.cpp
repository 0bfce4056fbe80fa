#include "sched/uncaught.hpp"

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <typeinfo>

#include <cxxabi.h>
#include <execinfo.h>
#include <unwind.h>

#include <ringo/error.hpp>
#include <ringo/task.hpp>

#include "base/print.hpp"
#include "fiber/fiber.hpp"
#include "fiber/name_guard.hpp"
#include "sched/bubble.hpp"
#include "sched/current.hpp"
#include "sched/exploration.hpp"
#include "sched/locals.hpp"
#include "sched/symbol.hpp"
#include "sched/traceback.hpp"

/// What happens to an exception that leaves a fiber.
///
/// The C++ runtime unwinds in two phases: it first searches the frames for a handler, and only then
/// runs destructors. The frame that calls a fiber's body has a personality routine of its own: when
/// the search comes by, no frame of the fiber wants the exception, and the stack is still as it was
/// at the throw. The backtrace is taken there. The real handler is one frame further out, so that
/// the fiber's destructors run before the process ends.

namespace ringo::detail {
namespace {

constexpr int frames_max = 64;

/// The backtrace of the first exception that no frame wanted. Written by the one fiber that takes
/// the slot, which then ends the process.
struct thrown_trace {
  std::atomic<fiber*> owner{nullptr};
  int count = 0;
  std::array<void*, frames_max> frames{};
};
thrown_trace trace;

void print_exception(const std::exception& error, bool nested) noexcept {
  int status = 0;
  char* name = abi::__cxa_demangle(typeid(error).name(), nullptr, nullptr, &status);
  print_error("%s%s [%s]\n",
              nested ? "\tcaused by: " : "panic: ",
              error.what(),
              name != nullptr ? name : typeid(error).name());
  std::free(name);  // NOLINT(cppcoreguidelines-no-malloc): the ABI's contract
  try {
    std::rethrow_if_nested(error);
  } catch (const std::exception& inner) {
    print_exception(inner, true);
  } catch (...) {
    print_error("\tcaused by: an exception that is no std::exception\n");
  }
}

}  // namespace

extern "C" {

__attribute__((visibility("hidden"), used)) _Unwind_Reason_Code ringo_first_frame_personality(
    int /*version*/,
    _Unwind_Action actions,
    _Unwind_Exception_Class /*kind*/,
    _Unwind_Exception* /*exception*/,
    _Unwind_Context* /*context*/) {
  if ((actions & _UA_SEARCH_PHASE) == 0) return _URC_CONTINUE_UNWIND;
  fiber* self = stack_owner();
  fiber* nobody = nullptr;
  // relaxed: the fiber's own
  if (!self->exiting.load(std::memory_order_relaxed) &&
      trace.owner.compare_exchange_strong(nobody, self)) {
    trace.count = ::backtrace(trace.frames.data(), frames_max);
  }
  return _URC_CONTINUE_UNWIND;
}

#if defined(__x86_64__)
void ringo_call_with_personality(void (*call)(void*), void* argument);
asm(R"(
    .text
    .hidden ringo_call_with_personality
    .globl ringo_call_with_personality
    .type ringo_call_with_personality, @function
ringo_call_with_personality:
    .cfi_startproc
    .cfi_personality 0x9b, DW.ref.ringo_first_frame_personality
    push %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    mov %rsp, %rbp
    .cfi_def_cfa_register %rbp
    mov %rdi, %rax
    mov %rsi, %rdi
    call *%rax
    pop %rbp
    .cfi_def_cfa %rsp, 8
    ret
    .cfi_endproc
    .size ringo_call_with_personality, . - ringo_call_with_personality
    .hidden DW.ref.ringo_first_frame_personality
    .weak DW.ref.ringo_first_frame_personality
    .section .data.rel.local.DW.ref.ringo_first_frame_personality,"awG",@progbits,DW.ref.ringo_first_frame_personality,comdat
    .align 8
    .type DW.ref.ringo_first_frame_personality, @object
    .size DW.ref.ringo_first_frame_personality, 8
DW.ref.ringo_first_frame_personality:
    .quad ringo_first_frame_personality
    .text
)");
#else
// Elsewhere the backtrace of the throw is not recorded.
static void ringo_call_with_personality(void (*call)(void*), void* argument) {
  call(argument);
}
#endif

}  // extern "C"

goexit_signal::~goexit_signal() {
  if (owner_ != nullptr) fatal("goexit was swallowed by a catch (...) that did not rethrow");
}

std::string text_of_current_exception() {
  try {
    throw;
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

namespace {

/// Under exploration that is a finding, and no end.
void report_to_exploration() {
  const fiber* self = stack_owner();
  if (!exploring.load() || current_worker() == nullptr || bubble::of(*self) == nullptr) return;
  exploration::instance().fail("out of a fiber spawned at " +
                               std::string(symbol_of(self->spawn_site.load()).text) + ": " +
                               text_of_current_exception());
}

}  // namespace

void die_of_exception() noexcept {
  report_to_exploration();
  begin_last_report();
  fiber* self = stack_owner();
  try {
    throw;
  } catch (const std::exception& error) {
    print_exception(error, false);
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    print_error("panic: an exception of type %s\n", type != nullptr ? type->name() : "?");
  }
  if (wanted_traceback() == traceback::none) end_process();
  const char* name = self->name.load();
  print_error("\nfiber %llu%s%s%s [running]:\n",
              static_cast<unsigned long long>(self->id.load()),
              name != nullptr ? " \"" : "",
              name != nullptr ? name : "",
              name != nullptr ? "\"" : "");
  if (trace.owner.load() == self) print_frames(trace.frames.data(), trace.count);
  print_error("created by %s\n", symbol_of(self->spawn_site.load()).text);
  print_other_fibers(self->id.load());
  end_process();
}

void die_of_exception(const std::exception_ptr& thrown) noexcept {
  try {
    std::rethrow_exception(thrown);
  } catch (...) {
    die_of_exception();
  }
}

bool fiber_is_exiting() noexcept {
  return stack_owner()->exiting.load(std::memory_order_relaxed);  // relaxed: the fiber's own
}

void run_body(fiber& self) noexcept {
  try {
    ringo_call_with_personality([](void* body) { (*static_cast<closure*>(body))(); }, &self.body);
  } catch (const goexit_signal& signal) {
    signal.arrived();
  } catch (...) {
    self.body.destroy();
    die_of_exception();
  }
  self.body.destroy();
  // relaxed: the fiber's own, here and below
  if (self.locals.load(std::memory_order_relaxed) != nullptr) destroy_locals(self);
  if (self.name.load(std::memory_order_relaxed) != nullptr) free_name(self);  // relaxed: as above
}

}  // namespace ringo::detail
