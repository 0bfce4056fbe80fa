#include "base/quiet_thread.hpp"

#include <csignal>

namespace ringo::detail {

int start_quiet_thread(pthread_t& thread,
                       const char* name,
                       void* (*body)(void*),
                       void* argument) noexcept {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const int refused = ::pthread_create(&thread, nullptr, body, argument);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (refused == 0) ::pthread_setname_np(thread, name);
  return refused;
}

}  // namespace ringo::detail
