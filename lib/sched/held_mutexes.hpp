#pragma once

namespace ringo::detail {

/// In builds with assertions, for a fiber that is about to park: prints a warning if it holds
/// mutexes of the system (std::mutex, pthread_mutex_t), once for each place in the program. While
/// it is parked, whoever locks such a mutex blocks a worker's thread, if need be all of them; and
/// it may go on on another thread, which may not unlock it.
///
/// This counts what each thread locks and unlocks: the C library's functions are wrapped, for all
/// of the program, if it is linked with such a build of ringo.
#if RINGO_WATCH_MUTEXES
void warn_of_held_mutexes() noexcept;
#else
inline void warn_of_held_mutexes() noexcept {}
#endif

}  // namespace ringo::detail
