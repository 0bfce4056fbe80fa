#include "sched/held_mutexes.hpp"

#if RINGO_WATCH_MUTEXES

#include <array>
#include <atomic>
#include <cstdint>
#include <new>
#include <string>

#include <dlfcn.h>
#include <pthread.h>

#include "base/print.hpp"
#include "base/write_all.hpp"
#include "fiber/unwind.hpp"
#include "sched/current.hpp"
#include "sched/snapshot.hpp"

namespace {

/// The C library's own function. Resolved at each first use: programs lock mutexes before any
/// constructor of ours has run.
template <typename Function>
Function* next(std::atomic<Function*>& known, const char* name) noexcept {
  Function* found = known.load(std::memory_order_relaxed);  // relaxed: all find the same
  if (found != nullptr) return found;
  found = reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
  known.store(found, std::memory_order_relaxed);  // relaxed: as above
  return found;
}

using plain = int(pthread_mutex_t*);
using timed = int(pthread_mutex_t*, const timespec*);
using clocked = int(pthread_mutex_t*, clockid_t, const timespec*);

int counted(int failed) noexcept {
  if (failed == 0) ringo::detail::count_mutex(1);
  return failed;
}

}  // namespace

extern "C" {

int pthread_mutex_lock(pthread_mutex_t* mutex) {
  static constinit std::atomic<plain*> known{nullptr};
  return counted(next(known, "pthread_mutex_lock")(mutex));
}

int pthread_mutex_trylock(pthread_mutex_t* mutex) {
  static constinit std::atomic<plain*> known{nullptr};
  return counted(next(known, "pthread_mutex_trylock")(mutex));
}

int pthread_mutex_timedlock(pthread_mutex_t* mutex, const timespec* until) {
  static constinit std::atomic<timed*> known{nullptr};
  return counted(next(known, "pthread_mutex_timedlock")(mutex, until));
}

int pthread_mutex_clocklock(pthread_mutex_t* mutex, clockid_t clock, const timespec* until) {
  static constinit std::atomic<clocked*> known{nullptr};
  return counted(next(known, "pthread_mutex_clocklock")(mutex, clock, until));
}

int pthread_mutex_unlock(pthread_mutex_t* mutex) {
  static constinit std::atomic<plain*> known{nullptr};
  const int failed = next(known, "pthread_mutex_unlock")(mutex);
  if (failed == 0) ringo::detail::count_mutex(-1);
  return failed;
}

}  // extern "C"

namespace ringo::detail {
namespace {

constexpr std::size_t places_max = 256;

/// True for the first caller from a place, which is its stack; false also when there are too many.
bool is_new(void* const* frames, std::size_t size) noexcept {
  static constinit std::array<std::atomic<std::uint64_t>, places_max> known{};
  std::uint64_t hash = 1;
  for (std::size_t i = 0; i < size; ++i) {
    hash = (hash ^ reinterpret_cast<std::uintptr_t>(frames[i])) * 0x9E3779B97F4A7C15ULL;
  }
  for (auto& place : known) {
    std::uint64_t seen = 0;
    if (place.compare_exchange_strong(seen, hash)) return true;
    if (seen == hash) return false;
  }
  return false;
}

}  // namespace

mutex_watch::mutex_watch() noexcept : held_(take_mutexes()) {}

void forget_held_mutexes() noexcept {
  static_cast<void>(take_mutexes());
}

void mutex_watch::warn() const noexcept {
  std::array<void*, stack_table::frames_max> frames{};
  if (!is_new(frames.data(), unwind_here(frames.data(), frames.size()))) return;
  constexpr const char* what =
      "ringo: warning: a fiber has parked with %d std::mutex locked: others that lock it block their "
      "threads, and it may go on on another one; ringo::mutex is for that\n";
  try {
    const std::string text = text_of(snapshot::take_self());
    print_error(what, held_);
    constexpr int standard_error = 2;
    static_cast<void>(write_all(standard_error, text.data(), text.size()));
  } catch (const std::bad_alloc&) {
    print_error(what, held_);
  }
}

}  // namespace ringo::detail

#endif
