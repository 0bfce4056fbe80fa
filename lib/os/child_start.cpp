#include "os/child_start.hpp"

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstddef>
#include <cstdint>

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ringo/detail/config.hpp>

#include "base/signal_action.hpp"

/// The steps are in child_start.hpp.

#if RINGO_ASAN
#define RINGO_IN_CHILD __attribute__((no_sanitize("address")))
#else
#define RINGO_IN_CHILD RINGO_NO_TSAN
#endif

/// clone(2) by the C library's other name. ThreadSanitizer has its own of the usual one, which
/// takes the child for a copy of the process and changes what it knows of this thread.
extern "C" int __clone(int (*body)(void*), void* stack, int flags, void* subject, ...);  // NOLINT

namespace ringo::detail {
namespace {

constexpr std::size_t stack_size = std::size_t{64} << 10;
constexpr int signals_max = 64;
constexpr std::size_t kernel_set_size = signals_max / CHAR_BIT;
constexpr long close_range_number = 436;  // SYS_close_range, Linux 5.9; missing from older headers

struct child_frame {
  const child_plan* plan;
  sigset_t mask;
  int error;
};

/// Zero, or errno.
RINGO_IN_CHILD int prepare(const child_frame& frame) noexcept {
  const child_plan& plan = *frame.plan;
  for (int signal = 1; signal <= signals_max; ++signal) {
    struct sigaction action {};
    if (change_action(signal, nullptr, &action) != 0) continue;  // the C library's own
    if (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN) continue;
    action.sa_handler = SIG_DFL;
    action.sa_flags = 0;
    change_action(signal, &action, nullptr);
  }
  const int count = static_cast<int>(plan.numbers.size());
  for (int i = 0; i < count; ++i) {
    const int number = plan.numbers.data()[i];
    if (::syscall(SYS_dup3, number, i, 0) < 0) return errno;
  }
  // Also what other libraries have opened without O_CLOEXEC. Before Linux 5.9 those are inherited.
  if (::syscall(close_range_number, count, UINT_MAX, 0) != 0 && errno != ENOSYS) return errno;
  if (plan.dir != nullptr && ::syscall(SYS_chdir, plan.dir) != 0) return errno;
  if (plan.open_files.has_value() &&
      ::syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &*plan.open_files, nullptr) != 0) {
    return errno;
  }
  ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &frame.mask, nullptr, kernel_set_size);
  return 0;
}

RINGO_IN_CHILD int run_child(void* subject) noexcept {
  auto& frame = *static_cast<child_frame*>(subject);
  frame.error = prepare(frame);
  if (frame.error == 0) {
    const child_plan& plan = *frame.plan;
    ::syscall(SYS_execve, plan.path, plan.args, plan.env);
    frame.error = errno;
  }
  for (;;) ::syscall(SYS_exit_group, 127);
}

}  // namespace

int start_child(const child_plan& plan) noexcept {
  void* const stack = ::mmap(
      nullptr, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) return -errno;
  child_frame frame{.plan = &plan, .mask = {}, .error = 0};
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &frame.mask);
  int pid = ::__clone(&run_child,
                      static_cast<std::byte*>(stack) + stack_size,
                      CLONE_VM | CLONE_VFORK | SIGCHLD,
                      &frame);
  if (pid < 0) pid = -errno;
  ::pthread_sigmask(SIG_SETMASK, &frame.mask, nullptr);
  ::munmap(stack, stack_size);
  if (pid < 0 || frame.error == 0) return pid;
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return -frame.error;
}

}  // namespace ringo::detail
