#pragma once

namespace ringo::detail {

#if RINGO_WATCH_MUTEXES

/// In builds with assertions, for a fiber that parks or yields: prints a warning if it holds mutexes
/// of the system (std::mutex, pthread_mutex_t), once for each place in the program. Meanwhile whoever
/// locks such a mutex blocks a worker's thread, if need be all of them; and the fiber may go on on
/// another thread, which may not unlock it.
///
/// They are counted before the fiber leaves, so that nobody else is blamed for them, and the warning
/// comes when it goes on: before, it may hold locks of ringo, under which nobody may print.
///
/// What each thread locks and unlocks is counted: the C library's functions are wrapped, for all of
/// the program, if it is linked with such a build of ringo.
class mutex_watch {
 public:
  mutex_watch() noexcept;
  ~mutex_watch() {
    if (held_ != 0) warn();
  }
  mutex_watch(const mutex_watch&) = delete;
  mutex_watch& operator=(const mutex_watch&) = delete;

 private:
  const int held_;

  void warn() const noexcept;
};

/// The fiber ends.
void forget_held_mutexes() noexcept;

#else

struct mutex_watch {
  mutex_watch() noexcept {}
};
inline void forget_held_mutexes() noexcept {}

#endif

}  // namespace ringo::detail
