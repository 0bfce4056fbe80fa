#pragma once

#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include <ringo/detail/assert.hpp>

namespace ringo {

/// A value, or the std::error_code that says why there is none. The member names are those of
/// std::expected; this is always ringo's own type, so that it does not change with compiler flags.
/// Reading the value of an error with `*` or `->` is undefined (asserted in debug builds); value()
/// throws std::system_error instead. Not thread-safe, as any value.
template <typename T>
class [[nodiscard]] result {
  static_assert(!std::is_void_v<T>, "an operation without a value returns a std::error_code");
  static_assert(!std::is_same_v<std::remove_cv_t<T>, std::error_code>);

 public:
  using value_type = T;
  using error_type = std::error_code;

  /// A value; T is made from `value`.
  template <typename U = T>
  requires(std::is_constructible_v<T, U> && !std::is_same_v<std::remove_cvref_t<U>, result> &&
           !std::is_convertible_v<U, std::error_code>)
      // NOLINTNEXTLINE(google-explicit-constructor): `return value;` is the point
      result(U&& value)
      : state_(std::in_place_index<0>, std::forward<U>(value)) {}

  /// `error` must not be empty: an empty code would be an error that says "success".
  result(std::error_code error) : state_(std::in_place_index<1>, error) {  // NOLINT: see above
    RINGO_ASSERT(error);
  }

  /// An error, from an enum of error codes such as ringo::errc.
  template <typename Code>
  requires(std::is_error_code_enum_v<Code>) result(Code code)
      : result(std::error_code(code)) {}  // NOLINT: see above

  /// True: there is a value.
  bool has_value() const noexcept { return state_.index() == 0; }
  /// As has_value().
  explicit operator bool() const noexcept { return has_value(); }

  /// The value; only when there is one.
  T& operator*() & noexcept { return get(*this); }
  const T& operator*() const& noexcept { return get(*this); }
  T&& operator*() && noexcept { return std::move(get(*this)); }
  T* operator->() noexcept { return &get(*this); }
  const T* operator->() const noexcept { return &get(*this); }

  /// The value; throws std::system_error with the error when there is none.
  T& value() & { return checked(*this); }
  const T& value() const& { return checked(*this); }
  T&& value() && { return std::move(checked(*this)); }

  /// The error; an empty code when there is a value.
  std::error_code error() const noexcept {
    const auto* error = std::get_if<1>(&state_);
    return error != nullptr ? *error : std::error_code{};
  }

  /// The value, or `fallback` when there is none.
  template <typename U>
  T value_or(U&& fallback) const& {
    return has_value() ? **this : static_cast<T>(std::forward<U>(fallback));
  }
  template <typename U>
  T value_or(U&& fallback) && {
    return has_value() ? std::move(**this) : static_cast<T>(std::forward<U>(fallback));
  }

 private:
  std::variant<T, std::error_code> state_;

  template <typename Self>
  static auto& get(Self& self) noexcept {
    auto* value = std::get_if<0>(&self.state_);
    RINGO_ASSERT(value != nullptr);
    return *value;
  }

  template <typename Self>
  static auto& checked(Self& self) {
    if (!self.has_value()) throw std::system_error(self.error());
    return get(self);
  }
};

}  // namespace ringo
