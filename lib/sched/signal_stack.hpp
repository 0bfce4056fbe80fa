#pragma once

#include <csignal>

namespace ringo::detail {

/// Gives the running thread an alternate signal stack, on which a fiber's stack overflow can be
/// reported, and restores the one it found (ASan has its own) at the end of the scope.
class signal_stack {
 public:
  signal_stack() noexcept;
  signal_stack(const signal_stack&) = delete;
  signal_stack& operator=(const signal_stack&) = delete;
  ~signal_stack();

 private:
  void* memory_ = nullptr;
  stack_t before_{};
};

/// Installs the SIGSEGV handler that reports overflows; once per process. Faults that hit no
/// fiber's guard go to the handler that was there before.
void install_overflow_handler() noexcept;

}  // namespace ringo::detail
