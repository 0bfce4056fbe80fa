#pragma once

#include <pthread.h>

namespace ringo::detail {

/// Starts a thread of ringo's own that takes no signals: they belong to the threads that would get
/// them without it. `name` has 15 characters at most. 0, or the error of pthread_create(3).
int start_quiet_thread(pthread_t& thread,
                       const char* name,
                       void* (*body)(void*),
                       void* argument) noexcept;

}  // namespace ringo::detail
