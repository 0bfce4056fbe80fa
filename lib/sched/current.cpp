#include "sched/current.hpp"

#include "fiber/fiber.hpp"
#include "fiber/sanitizer.hpp"
#include "sched/locals.hpp"
#include "sched/worker.hpp"

namespace ringo::detail {
namespace {

/// A plain thread's fiber: borrowed from the registry for as long as the thread lives.
struct thread_identity {
  fiber* block = nullptr;

  thread_identity() = default;
  thread_identity(const thread_identity&) = delete;
  thread_identity& operator=(const thread_identity&) = delete;
  ~thread_identity() {
    if (block == nullptr) return;
    destroy_locals(*block);
    sanitizer_release(block);
    block->is_thread = false;
    block->set(fiber_state::unused);
    fiber_registry::instance().give_back(&block, 1);
    block = nullptr;
  }

  fiber* get() {
    if (block == nullptr) {
      fiber_registry::instance().take(&block, 1);
      sanitizer_acquire(block);
      block->is_thread = true;
      block->permit = 0;
      block->set(fiber_state::running);
    }
    return block;
  }
};

// initial-exec: one load from the thread pointer, also in a shared library.
#define RINGO_TLS __attribute__((tls_model("initial-exec"))) thread_local

RINGO_TLS worker* tls_thread = nullptr;
RINGO_TLS thread_identity tls_identity;
RINGO_TLS int tls_mutexes = 0;

}  // namespace

// Read by current_worker(), by this name.
extern "C" {
__attribute__((visibility("hidden"), used)) RINGO_TLS worker* ringo_tls_worker = nullptr;
}

// Not instrumented: to ThreadSanitizer the fibers of one thread are threads that share these.
#if !defined(__x86_64__) || RINGO_TSAN
RINGO_NO_TSAN RINGO_NOINLINE worker* current_worker() noexcept {
  asm volatile("" ::: "memory");  // keeps the compiler from calling this function pure
  return ringo_tls_worker;
}
#endif

RINGO_NO_TSAN RINGO_NOINLINE void set_current_worker(worker* w) noexcept {
  ringo_tls_worker = w;
}

RINGO_NOINLINE void count_mutex(int change) noexcept {
  if (tls_mutexes + change >= 0) tls_mutexes += change;
}

RINGO_NOINLINE int take_mutexes() noexcept {
  const int count = tls_mutexes;
  tls_mutexes = 0;
  return count;
}

RINGO_NO_TSAN RINGO_NOINLINE worker* worker_of_thread() noexcept {
  asm volatile("" ::: "memory");  // as above
  return tls_thread;
}

RINGO_NO_TSAN RINGO_NOINLINE void set_worker_of_thread(worker* w) noexcept {
  tls_thread = w;
}

RINGO_NO_TSAN RINGO_NOINLINE fiber* current_fiber() {
  asm volatile("" ::: "memory");  // as above
  worker* w = current_worker();
  return w != nullptr ? w->current() : tls_identity.get();
}

RINGO_NO_TSAN RINGO_NOINLINE fiber* stack_owner() {
  worker* w = worker_of_thread();
  return w != nullptr ? w->current() : tls_identity.get();
}

}  // namespace ringo::detail
