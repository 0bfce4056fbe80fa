#include "os/signal_hub.hpp"

#include <algorithm>
#include <utility>

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ringo/error.hpp>

#include "base/futex.hpp"
#include "base/print.hpp"
#include "base/quiet_thread.hpp"
#include "os/signal_handler.hpp"
#include "sched/scheduler.hpp"
#include "source/clock.hpp"

/// The steps are in signal_hub.hpp.

namespace ringo::detail {

bool signal_set::can_be_had(int signal) noexcept {
  switch (signal) {
    case SIGKILL:
    case SIGSTOP:
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP:
    case SIGSYS:
    case SIGSTKFLT: return false;
    default: break;
  }
  if (signal < 1 || signal > signals_max) return false;
  constexpr int ordinary_max = 31;
  return signal <= ordinary_max || signal >= SIGRTMIN;  // the C library has those in between
}

signal_set::signal_set(std::span<const int> signals) noexcept {
  for (const int signal : signals) {
    if (can_be_had(signal)) add(signal);
  }
  if (!signals.empty()) return;
  for (int signal = 1; signal <= signals_max; ++signal) {
    if (can_be_had(signal)) add(signal);
  }
}

signal_hub& signal_hub::instance() noexcept {
  static auto& the_one = *new signal_hub;
  return the_one;
}

signal_hub::signal_hub() noexcept {
  ::pthread_atfork(&before_fork, &in_parent, &in_child);
}

void signal_hub::notify(const send_chan<int>& to, signal_set signals) {
  add({.channel = to, .context = nullptr, .signals = signals});
}

void signal_hub::notify(std::shared_ptr<signal_subscriber> to, signal_set signals) {
  add({.channel = {}, .context = std::move(to), .signals = signals});
}

void signal_hub::add(subscription wanted) {
  const signal_set signals = wanted.signals;
  if (signals.empty()) return;
  const spin_guard guard(lock_);
  if (!has_thread_) start_thread();
  const auto known =
      std::find_if(subscriptions_.begin(), subscriptions_.end(), [&](const subscription& one) {
        return wanted.channel && one.channel == wanted.channel;
      });
  if (known != subscriptions_.end()) {
    known->signals.add(signals);
  } else {
    subscriptions_.push_back(std::move(wanted));
  }
  tell_scheduler();
  signals.for_each(install_handler);
}

void signal_hub::stop(const send_chan<int>& to) {
  stop_if([&](const subscription& one) { return one.channel == to; });
}

void signal_hub::stop(const signal_subscriber& to) {
  stop_if([&](const subscription& one) { return one.context.get() == &to; });
}

template <typename Predicate>
void signal_hub::stop_if(Predicate is_the_one) {
  subscription gone;  // its handles go without the lock
  unfinished rest;
  {
    const spin_guard guard(lock_);
    const auto mine = std::find_if(subscriptions_.begin(), subscriptions_.end(), is_the_one);
    if (mine == subscriptions_.end()) return;
    signal_set lost = mine->signals;
    for (const subscription& other : subscriptions_) {
      if (&other != &*mine) lost.remove(other.signals);
    }
    retire(lost, &give_back_action);
    gone = std::move(*mine);
    subscriptions_.erase(mine);
    rest = take_unfinished();
    tell_scheduler();
  }
  finish(rest);
}

void signal_hub::ignore(signal_set signals) {
  withdraw(signals, &ignore_signal);
}

void signal_hub::reset(signal_set signals) {
  withdraw(signals, &give_back_action);
}

void signal_hub::withdraw(signal_set signals, void (*change)(int) noexcept) {
  std::vector<subscription> gone;
  unfinished rest;
  {
    const spin_guard guard(lock_);
    retire(signals, change);
    for (auto one = subscriptions_.begin(); one != subscriptions_.end();) {
      one->signals.remove(signals);
      if (one->signals.empty()) {
        gone.push_back(std::move(*one));
        one = subscriptions_.erase(one);
      } else {
        ++one;
      }
    }
    rest = take_unfinished();
    tell_scheduler();
  }
  finish(rest);
}

/// Steps 8 to 10, but for the removal.
void signal_hub::retire(signal_set signals, void (*change)(int) noexcept) {
  signals.for_each(change);
  signals.for_each(wait_for_handlers);
  carry();
}

void signal_hub::carry() {
  for (int signal = 1; signal <= signals_max; ++signal) {
    if (const std::uint32_t times = take_arrived(signal); times != 0) send(signal, times);
  }
}

void signal_hub::send(int signal, std::uint32_t times) {
  for (const subscription& one : subscriptions_) {
    if (!one.signals.has(signal)) continue;
    if (one.context) unfinished_.due.push_back({one.context, signal});
    for (std::uint32_t i = 0; one.channel && i < times; ++i) {
      int value = signal;
      const chan_status status = one.channel.core()->try_send(&value);
      if (status == chan_status::closed) unfinished_.sent_to_closed = true;
      if (status != chan_status::done) break;  // the rest would find it full as well
    }
  }
}

signal_hub::unfinished signal_hub::take_unfinished() {
  // Until the contexts are cancelled their subscriptions may have gone.
  if (!unfinished_.due.empty()) scheduler::instance().expect_outside(1);
  return std::exchange(unfinished_, {});
}

void signal_hub::finish(const unfinished& rest) {
  if (rest.sent_to_closed) {
    begin_last_report();
    print_error(
        "panic: send on closed channel [ringo::panic_error]\n\n"
        "os/signal: a channel was closed before signal::stop()\n");
    end_process();
  }
  for (const cancellation& one : rest.due) one.of->cancel({one.signal, os::signal::category()});
  if (!rest.due.empty()) scheduler::instance().expect_outside(-1);
}

void signal_hub::tell_scheduler() {
  const bool any = !subscriptions_.empty();
  if (any == is_expected_) return;
  is_expected_ = any;
  scheduler::instance().expect_outside(any ? 1 : -1);
}

void signal_hub::start_thread() {
  static std::atomic<std::uint32_t> adopted{0};  // futex
  adopted.store(0);
  const auto body = [](void* self) -> void* {
    scheduler::instance().adopt_thread(static_cast<std::int32_t>(::syscall(SYS_gettid)));
    adopted.store(1);
    futex_wake(adopted, 1);
    static_cast<signal_hub*>(self)->serve();
  };
  pthread_t thread{};
  if (start_quiet_thread(thread, "ringo-signal", body, this) != 0) {
    fatal("thread limit reached: the kernel refuses another thread (RLIMIT_NPROC or pids.max)");
  }
  ::pthread_detach(thread);
  has_thread_ = true;
  // Or else a deadlock report might be held back by this stranger.
  while (adopted.load() == 0) futex_wait(adopted, 0, nanoseconds(-1));
}

void signal_hub::serve() {
  for (;;) {
    const std::uint32_t seen = signal_events().load();
    unfinished rest;
    {
      const spin_guard guard(lock_);
      carry();
      rest = take_unfinished();
    }
    finish(rest);
    futex_wait(signal_events(), seen, nanoseconds(-1));
  }
}

void signal_hub::before_fork() noexcept {
  instance().lock_.lock();
}

void signal_hub::in_parent() noexcept {
  instance().lock_.unlock();
}

void signal_hub::in_child() noexcept {
  signal_hub& self = instance();
  leave_signals_to_parent();
  // Kept, and not looked at: dropping a handle could want a lock that nobody here will release.
  static std::vector<subscription> of_parent;
  of_parent.swap(self.subscriptions_);
  self.has_thread_ = false;
  // While a runtime was running this process may not use ringo any more; else nobody sleeps.
  if (!scheduler::instance().running()) self.tell_scheduler();
  self.lock_.unlock();
}

}  // namespace ringo::detail
