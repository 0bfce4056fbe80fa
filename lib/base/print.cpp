#include "base/print.hpp"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>

#include <unistd.h>

namespace ringo::detail {

void print_error(const char* format, ...) noexcept {
  std::array<char, 4096> text;
  std::va_list arguments;
  va_start(arguments, format);
  const int length = std::vsnprintf(text.data(), text.size(), format, arguments);
  va_end(arguments);
  if (length <= 0) return;
  const auto size = std::min(static_cast<std::size_t>(length), text.size() - 1);
  // Nobody is left to tell when standard error itself fails.
  [[maybe_unused]] const auto written = ::write(2, text.data(), size);
}

}  // namespace ringo::detail
