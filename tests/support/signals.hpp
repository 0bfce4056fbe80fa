#pragma once

// Signals in tests: handlers and dispositions for a scope.

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>

#include <ringo/detail/config.hpp>

#include "base/signal_action.hpp"

namespace ringo::test {

/// How often the handler of `counting_handler` has run.
inline std::atomic<int> handled{0};

/// For a scope a signal has this handler, and then what it had before.
class action_guard {
 public:
  action_guard(int signal, void (*handler)(int), int flags = 0) : signal_(signal) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = flags | SA_ONSTACK | SA_RESTART;
    ringo::detail::change_action(signal, &action, &before_);
  }
  action_guard(const action_guard&) = delete;
  action_guard& operator=(const action_guard&) = delete;
  ~action_guard() { ringo::detail::change_action(signal_, &before_, nullptr); }

 private:
  int signal_;
  struct sigaction before_ {};
};

RINGO_UNINSTRUMENTED inline void count_handled(int) {
  handled.fetch_add(1);
}

/// The handler that a signal has now.
inline void (*handler_of(int signal))(int) {
  struct sigaction now {};
  ringo::detail::change_action(signal, nullptr, &now);
  return now.sa_handler;
}

inline void send_to_process(int signal) {
  ::kill(::getpid(), signal);
}

/// To the calling thread: it has been handled when this returns. (Not by pthread_self(), which the
/// compiler keeps while a fiber changes threads.)
inline void send_to_thread(int signal) {
  ::syscall(SYS_tgkill, ::getpid(), ::gettid(), signal);
}

}  // namespace ringo::test
