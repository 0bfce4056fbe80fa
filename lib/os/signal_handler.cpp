#include "os/signal_handler.hpp"

#include <cerrno>

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ringo/detail/assert.hpp>

#include "base/signal_action.hpp"

/// The steps are in signal_hub.hpp.

namespace ringo::detail {
namespace {

enum class handler_mode : std::uint8_t {
  given_back,  // the action was changed by us, and is no handler of ours
  wanted,      // the handler counts
  replaced,    // the action was changed by somebody else, whose handler may call ours
};

struct slot {
  std::atomic<handler_mode> mode{handler_mode::given_back};  // atomic: written under the hub's lock
  std::atomic<std::uint32_t> running{0};                     // atomic: steps 1 and 4, 9
  std::atomic<std::uint32_t> arrived{0};                     // atomic: steps 2, 5
  // Both guarded by the hub's lock.
  bool is_changed = false;       // the action is ours, and `former` what it was
  struct sigaction former = {};  // (the handler reads neither)
};

// Plain arrays and no functions in between: the handler may use nothing that is instrumented.
constinit slot slots[signals_max + 1];           // by number
constinit std::atomic<std::uint32_t> events{0};  // atomic, and a futex: steps 2, 5, 6

void on_signal(int signal, siginfo_t* info, void* where);

RINGO_UNINSTRUMENTED void count(slot& s) noexcept {
  s.arrived.fetch_add(1);
  events.fetch_add(1);
  ::syscall(SYS_futex, &events, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

RINGO_UNINSTRUMENTED void send_to_self(int signal) noexcept {
  ::syscall(SYS_tgkill, ::getpid(), ::syscall(SYS_gettid), signal);
}

RINGO_UNINSTRUMENTED void act_as_unwanted(int signal, slot& s) noexcept {
  constexpr int tries_max = 100;
  for (int tries = 0; tries < tries_max; ++tries) {
    struct sigaction now;  // NOLINT(cppcoreguidelines-pro-type-member-init): by the kernel
    change_action(signal, nullptr, &now);
    if (now.sa_sigaction != &on_signal) {
      // The handler that is in force now called this one, and sees to the signal.
      if (s.mode.load() == handler_mode::replaced) return;
      send_to_self(signal);
      return;
    }
    // Somebody has subscribed meanwhile: by step 7 that is to be seen, unless by step 8 the action
    // has changed again.
    if (s.mode.load() == handler_mode::wanted) {
      count(s);
      return;
    }
  }
  // A library that had saved this handler has put it back too late. Nobody wants it.
  struct sigaction by_default;  // NOLINT: initialised member by member
  by_default.sa_handler = SIG_DFL;
  by_default.sa_flags = 0;
  ::sigemptyset(&by_default.sa_mask);
  change_action(signal, &by_default, nullptr);
  send_to_self(signal);
}

RINGO_UNINSTRUMENTED void on_signal(int signal, siginfo_t* /*info*/, void* /*where*/) {
  const int saved = errno;
  slot& s = slots[signal];
  s.running.fetch_add(1);
  if (s.mode.load() == handler_mode::wanted) {
    count(s);
  } else {
    act_as_unwanted(signal, s);
  }
  s.running.fetch_sub(1);
  errno = saved;
}

bool is_ours(const struct sigaction& action) noexcept {
  return action.sa_sigaction == &on_signal;
}

}  // namespace

void install_handler(int signal) noexcept {
  slot& s = slots[signal];
  if (s.mode.load() == handler_mode::wanted) return;
  struct sigaction mine {};
  mine.sa_sigaction = &on_signal;
  // On the alternate stack: a fiber's own may be nearly full.
  mine.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  ::sigfillset(&mine.sa_mask);
  RINGO_ASSERT(s.arrived.load() == 0);  // or else it would go to who did not subscribe in time
  s.mode.store(handler_mode::wanted);
  struct sigaction before {};
  if (change_action(signal, &mine, &before) != 0) {
    s.mode.store(handler_mode::given_back);
    return;
  }
  if (!s.is_changed && !is_ours(before)) s.former = before;
  s.is_changed = true;
}

void give_back_action(int signal) noexcept {
  slot& s = slots[signal];
  if (!s.is_changed) return;
  struct sigaction now {};
  change_action(signal, nullptr, &now);
  const bool replaced = !is_ours(now) && now.sa_handler != SIG_IGN;
  if (!replaced) change_action(signal, &s.former, nullptr);
  s.mode.store(replaced ? handler_mode::replaced : handler_mode::given_back);
  s.is_changed = false;
  s.former = {};
}

void ignore_signal(int signal) noexcept {
  slot& s = slots[signal];
  struct sigaction nothing {};
  nothing.sa_handler = SIG_IGN;
  struct sigaction before {};
  if (change_action(signal, &nothing, &before) != 0) return;
  if (!s.is_changed && !is_ours(before)) s.former = before;
  s.is_changed = true;
  s.mode.store(handler_mode::given_back);
}

void wait_for_handlers(int signal) noexcept {
  // No limit: a handler does not wait for anything, so that each ends as soon as it gets a CPU.
  while (slots[signal].running.load() != 0) ::sched_yield();
}

std::uint32_t take_arrived(int signal) noexcept {
  slot& s = slots[signal];
  return s.arrived.load() != 0 ? s.arrived.exchange(0) : 0;
}

std::atomic<std::uint32_t>& signal_events() noexcept {
  return events;
}

void leave_signals_to_parent() noexcept {
  for (int signal = 1; signal <= signals_max; ++signal) {
    slot& s = slots[signal];
    if (s.mode.load() == handler_mode::wanted) give_back_action(signal);
    s.running.store(0);
    s.arrived.store(0);
  }
}

}  // namespace ringo::detail
