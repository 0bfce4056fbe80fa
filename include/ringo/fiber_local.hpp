#pragma once

#include <memory>

namespace ringo {
namespace detail {

/// Finds or makes the calling fiber's value of `slot`.
void* fiber_local_value(const void* slot, void* (*make)(), void (*destroy)(void*) noexcept);

}  // namespace detail

/// One value of T for each fiber (and each plain thread) that asks for it: what thread_local is to
/// threads. Fibers move between threads, so a thread_local belongs to nobody they know.
///
/// @snippet tests/docs/guide_test.cpp fiber_local
///
/// A fiber's value is made by its first get() and destroyed when the fiber ends, in reverse order;
/// a plain thread's, when the thread ends. Like a thread_local, a fiber_local is meant to be
/// a static object: it must outlive every fiber and thread that has used it. Fibers that are left
/// over at the end of run() do not destroy theirs.
template <typename T>
class fiber_local {
 public:
  fiber_local() = default;
  fiber_local(const fiber_local&) = delete;
  fiber_local& operator=(const fiber_local&) = delete;
  ~fiber_local() = default;

  /// The caller's value, made by T() at first use. Never blocks, but for what T's constructor does;
  /// what that throws reaches the caller, and the next get() tries again. Thread-safe. The
  /// reference is valid until the fiber ends. O(number of fiber_locals the fiber has used);
  /// allocates at first use.
  T& get() const {
    void* value = detail::fiber_local_value(
        this,
        []() -> void* { return std::make_unique<T>().release(); },
        [](void* owned) noexcept { std::unique_ptr<T>(static_cast<T*>(owned)).reset(); });
    return *static_cast<T*>(value);
  }
  /// As get().
  T& operator*() const { return get(); }
  T* operator->() const { return &get(); }
};

}  // namespace ringo
