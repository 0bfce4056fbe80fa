#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <system_error>

namespace ringo::detail {

/// One line of a trace while it is composed: of bounded length, what does not fit is left out. The
/// writer of a trace does little else; with a string that grew piece by piece it took a quarter
/// more.
class trace_line {
 public:
  /// A literal, whose length the compiler knows.
  template <std::size_t N>
  void put(const char (&text)[N]) noexcept {
    constexpr std::size_t count = N - 1;
    if (room() < count) return;
    std::memcpy(chars_.data() + size_, text, count);
    size_ += count;
  }
  void put(std::string_view text) noexcept {
    const std::size_t count = std::min(text.size(), room());
    std::memcpy(chars_.data() + size_, text.data(), count);
    size_ += count;
  }
  void put(std::uint64_t number) noexcept {
    char* const begin = chars_.data() + size_;
    const auto [end, failed] = std::to_chars(begin, begin + room(), number);
    if (failed == std::errc()) size_ += static_cast<std::size_t>(end - begin);
  }
  /// In microseconds, with three places.
  void put_micros(std::uint64_t ns) noexcept {
    put(ns / 1000);
    const auto rest = static_cast<unsigned>(ns % 1000);
    const char places[] = {'.',
                           static_cast<char>('0' + rest / 100),
                           static_cast<char>('0' + rest / 10 % 10),
                           static_cast<char>('0' + rest % 10),
                           '\0'};
    put(places);
  }

  std::string_view view() const noexcept { return {chars_.data(), size_}; }
  void clear() noexcept { size_ = 0; }

 private:
  std::array<char, 1024> chars_;  // the first size_ are written
  std::size_t size_ = 0;

  std::size_t room() const noexcept { return chars_.size() - size_; }
};

}  // namespace ringo::detail
