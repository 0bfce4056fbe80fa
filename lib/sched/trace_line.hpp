#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ringo::detail {

/// One line of a trace while it is composed: of bounded length, what does not fit is left out. Most
/// of what a trace costs is the writing of such lines, which a string that grows doubles.
class trace_line {
 public:
  void put(std::string_view text) noexcept {
    const std::size_t count = std::min(text.size(), room());
    std::memcpy(chars_.data() + size_, text.data(), count);
    size_ += count;
  }
  void put(std::uint64_t number) noexcept {
    const auto end =
        std::to_chars(chars_.data() + size_, chars_.data() + chars_.size(), number).ptr;
    size_ = static_cast<std::size_t>(end - chars_.data());
  }
  /// In microseconds, with three places.
  void put_micros(std::uint64_t ns) noexcept {
    put(ns / 1000);
    const auto rest = static_cast<unsigned>(ns % 1000);
    const std::array<char, 4> places{'.',
                                     static_cast<char>('0' + rest / 100),
                                     static_cast<char>('0' + rest / 10 % 10),
                                     static_cast<char>('0' + rest % 10)};
    put({places.data(), places.size()});
  }
  /// As a string of JSON, without the quotes. What is no printable ASCII may be anything.
  void put_escaped(std::string_view text) noexcept {
    // Room for what ends the line stays.
    const std::size_t end = chars_.size() - std::min(chars_.size(), ending_max);
    for (const char c : text) {
      if (size_ + 2 > end) return;
      if (c == '"' || c == '\\') chars_[size_++] = '\\';
      chars_[size_++] = c < 0x20 || c >= 0x7F ? '?' : c;
    }
  }

  std::string_view view() const noexcept { return {chars_.data(), size_}; }
  void clear() noexcept { size_ = 0; }

 private:
  static constexpr std::size_t ending_max = 256;

  std::array<char, 1024> chars_;  // the first size_ are written
  std::size_t size_ = 0;

  std::size_t room() const noexcept { return chars_.size() - size_; }
};

}  // namespace ringo::detail
