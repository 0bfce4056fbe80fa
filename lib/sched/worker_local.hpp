#pragma once

#include <atomic>

namespace ringo::detail {

/// A field that only its worker's thread touches. Atomic and relaxed because the fibers of one
/// worker are threads to ThreadSanitizer; the machine code is that of a plain field.
template <typename T>
class worker_local {
 public:
  worker_local() = default;
  explicit worker_local(T value) noexcept : value_(value) {}

  T get() const noexcept { return value_.load(std::memory_order_relaxed); }  // relaxed: one thread
  void set(T value) noexcept {
    value_.store(value, std::memory_order_relaxed);
  }  // relaxed: as above

 private:
  std::atomic<T> value_{};
};

}  // namespace ringo::detail
