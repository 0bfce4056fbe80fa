#pragma once

#include <utility>

namespace ringo::detail {

/// A counted reference to what the library keeps, or nil. retain(T&) and release(T&) count.
template <typename T>
class counted {
 public:
  counted() = default;
  explicit counted(T* adopted) noexcept : to_(adopted) {}
  counted(const counted& other) noexcept : to_(other.to_) {
    if (to_ != nullptr) retain(*to_);
  }
  counted(counted&& other) noexcept : to_(std::exchange(other.to_, nullptr)) {}
  counted& operator=(counted other) noexcept {
    std::swap(to_, other.to_);
    return *this;
  }
  ~counted() {
    if (to_ != nullptr) release(*to_);
  }
  T* get() const noexcept { return to_; }

 private:
  T* to_ = nullptr;
};

}  // namespace ringo::detail
