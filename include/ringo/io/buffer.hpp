#pragma once

#include <concepts>
#include <cstddef>
#include <cstring>
#include <ranges>
#include <span>
#include <string_view>
#include <type_traits>

namespace ringo::io {

namespace detail {

template <typename T>
concept byte_like = std::same_as<T, std::byte> || std::same_as<T, char> ||
    std::same_as<T, unsigned char> || std::same_as<T, char8_t>;

/// A range whose bytes can be read: a string, a vector, an array or a span of chars or bytes.
template <typename R>
concept byte_range = std::ranges::contiguous_range<R> && std::ranges::sized_range<R> &&
    byte_like<std::remove_cv_t<std::ranges::range_value_t<R>>>;

/// The same, and they can be written to.
template <typename R>
concept writable_byte_range = byte_range<R> && std::ranges::borrowed_range<R> &&
    !std::is_const_v<std::remove_reference_t<std::ranges::range_reference_t<R>>>;

/// An array that is a string literal, or looks like one.
template <typename R>
concept char_array = std::is_array_v<std::remove_cvref_t<R>> && std::same_as <
                     std::remove_cv_t<std::remove_all_extents_t<std::remove_cvref_t<R>>>,
char > ;

}  // namespace detail

/// Where bytes go: a view of memory that the caller owns. Made from any string, vector, array or
/// span of chars or bytes that can be written to, all of it. Not a copy: the memory must outlive
/// the call that it is passed to, and no longer than that.
class buffer : public std::span<std::byte> {
 public:
  buffer() = default;
  buffer(void* data, std::size_t size) noexcept
      : std::span<std::byte>(static_cast<std::byte*>(data), size) {}
  template <detail::writable_byte_range R>
  buffer(R&& range) noexcept  // NOLINT(google-explicit-constructor): a view, as std::span
      : buffer(std::ranges::data(range), std::ranges::size(range)) {}
};

/// Where bytes come from: as `buffer`, for memory that is only read. An array of char, such as a
/// string literal, stands for its text up to the first zero.
class const_buffer : public std::span<const std::byte> {
 public:
  const_buffer() = default;
  const_buffer(const void* data, std::size_t size) noexcept
      : std::span<const std::byte>(static_cast<const std::byte*>(data), size) {}
  const_buffer(std::string_view text) noexcept  // NOLINT(google-explicit-constructor): as above
      : const_buffer(text.data(), text.size()) {}
  template <std::size_t N>
  const_buffer(const char (&text)[N]) noexcept  // NOLINT: as above; a literal is a C array
      : const_buffer(text, ::strnlen(text, N)) {}
  template <detail::byte_range R>
  requires(!detail::char_array<R>)
      // NOLINTNEXTLINE(google-explicit-constructor): as above
      const_buffer(const R& range)
  noexcept : const_buffer(std::ranges::data(range), std::ranges::size(range)) {}
};

}  // namespace ringo::io
