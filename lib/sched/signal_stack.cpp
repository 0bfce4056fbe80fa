#include "sched/signal_stack.hpp"

#include <array>

#include <execinfo.h>
#include <sys/mman.h>

#include <ringo/error.hpp>

#include "base/print.hpp"
#include "fiber/fiber.hpp"
#include "sched/current.hpp"
#include "sched/symbol.hpp"
#include "sched/traceback.hpp"
#include "sched/worker.hpp"

namespace ringo::detail {
namespace {

constexpr std::size_t signal_stack_size = 64 * 1024;  // backtraces and dladdr need room

struct sigaction previous_action;

void report_overflow(const fiber& f, const void* address) noexcept {
  const stack memory = f.memory();
  const char* name = f.name.load();
  print_error(
      "fatal error: fiber stack overflow\n"
      "fiber %llu%s%s%s: %zu KiB of stack at [%p, %p), fault at %p\n"
      "created by %s\n"
      "raise it with go({.stack_size = ...}, fn), options::stack_size or RINGO_STACK_SIZE\n",
      static_cast<unsigned long long>(f.id.load()),
      name != nullptr ? " \"" : "",
      name != nullptr ? name : "",
      name != nullptr ? "\"" : "",
      memory.size / 1024,
      static_cast<void*>(memory.base),
      static_cast<void*>(memory.base + memory.size),
      address,
      symbol_of(f.spawn_site.load()).text);
  if (wanted_traceback() != traceback::none) print_backtrace();
}

void on_fault(int signal, siginfo_t* info, void* where) {
  worker* w = worker_of_thread();
  const fiber* f = w != nullptr ? w->current() : nullptr;
  if (f != nullptr && f->memory().base != nullptr && f->memory().in_guard(info->si_addr)) {
    begin_last_report();
    keep_names_mangled();
    report_overflow(*f, info->si_addr);
    print_other_fibers(f->id.load());
    end_process();
  }
  if ((previous_action.sa_flags & SA_SIGINFO) != 0 && previous_action.sa_sigaction != nullptr) {
    previous_action.sa_sigaction(signal, info, where);
  } else if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
    previous_action.sa_handler(signal);
  } else {
    // The faulting instruction runs again, and ends the process as it would have without us.
    ::sigaction(signal, &previous_action, nullptr);
  }
}

}  // namespace

signal_stack::signal_stack() noexcept {
  memory_ = ::mmap(
      nullptr, signal_stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory_ == MAP_FAILED) {
    memory_ = nullptr;  // an overflow will be a bare crash
    return;
  }
  stack_t mine{};
  mine.ss_sp = memory_;
  mine.ss_size = signal_stack_size;
  ::sigaltstack(&mine, &before_);
}

signal_stack::~signal_stack() {
  if (memory_ == nullptr) return;
  ::sigaltstack(&before_, nullptr);
  ::munmap(memory_, signal_stack_size);
}

void install_overflow_handler() noexcept {
  static const bool installed = [] {
    // The first backtrace() loads the unwinder, which a signal handler must not do.
    std::array<void*, 1> frame{};
    ::backtrace(frame.data(), 1);
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    return ::sigaction(SIGSEGV, &action, &previous_action) == 0;
  }();
  static_cast<void>(installed);
}

}  // namespace ringo::detail
