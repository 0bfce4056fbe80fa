#pragma once

#include <cstdint>
#include <system_error>
#include <type_traits>

namespace ringo::detail {

/// A std::error_code on the path of calls that succeed: to say "none", which that one cannot
/// without asking the C++ library for a category, costs nothing.
class io_error {
 public:
  constexpr io_error() noexcept = default;
  io_error(std::error_code code) noexcept  // NOLINT(google-explicit-constructor): stands for it
      : category_(code ? &code.category() : nullptr), value_(code.value()) {}
  template <typename Code>
  requires(std::is_error_code_enum_v<Code>)  //
      io_error(Code code)
  noexcept  // NOLINT(google-explicit-constructor): as above
      : io_error(std::error_code(code)) {}

  explicit operator bool() const noexcept { return category_ != nullptr; }
  std::error_code code() const noexcept {
    return category_ != nullptr ? std::error_code(value_, *category_) : std::error_code();
  }
  operator std::error_code() const noexcept { return code(); }  // NOLINT: as above

  friend bool operator==(const io_error& a, const std::error_code& b) noexcept {
    return a.code() == b;
  }
  friend bool operator==(const io_error& a, const std::error_condition& b) noexcept {
    return a.code() == b;
  }

 private:
  const std::error_category* category_ = nullptr;  // null: no error
  int value_ = 0;
};

/// What became of a call: a count, and an error if it did not do all. Not a result<>: a write that
/// fails may have written something.
struct io_outcome {
  std::int64_t count = 0;
  io_error error;
};

/// Of a count or -errno.
inline io_outcome outcome_of(std::int64_t result) noexcept {
  if (result >= 0) return {result, {}};
  return {0, std::error_code(static_cast<int>(-result), std::system_category())};
}

}  // namespace ringo::detail
