#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace ringo::detail {

/// Move-only is not even needed: a callable that is built in place, run once and destroyed in
/// place. Lives inside a fiber's control block; callables that do not fit go to the heap.
class closure {
 public:
  static constexpr std::size_t inline_size = 96;

  closure() = default;
  closure(const closure&) = delete;
  closure& operator=(const closure&) = delete;
  ~closure() = default;  // the owner calls destroy(): a control block is recycled, never destroyed

  template <typename Fn>
  void emplace(Fn&& fn) {
    using callable = std::decay_t<Fn>;
    if constexpr (sizeof(callable) <= inline_size &&
                  alignof(callable) <= alignof(std::max_align_t)) {
      ::new (static_cast<void*>(storage_)) callable(std::forward<Fn>(fn));
      invoke_ = [](void* self) { (*std::launder(static_cast<callable*>(self)))(); };
      destroy_ = [](void* self) noexcept {
        std::launder(static_cast<callable*>(self))->~callable();
      };
    } else {
      emplace([owned = std::make_unique<callable>(std::forward<Fn>(fn))] { (*owned)(); });
    }
  }

  void operator()() { invoke_(storage_); }
  void destroy() noexcept { destroy_(storage_); }

  /// Where the callable is, or what owns it.
  std::span<const std::byte> storage() const noexcept { return storage_; }

 private:
  void (*invoke_)(void*) = nullptr;
  void (*destroy_)(void*) noexcept = nullptr;
  alignas(std::max_align_t) std::byte storage_[inline_size];
};

}  // namespace ringo::detail
