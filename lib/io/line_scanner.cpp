#include <ringo/io/line_scanner.hpp>

#include <ringo/error.hpp>
#include <ringo/io/buffered_reader.hpp>

namespace ringo::io {

std::optional<std::string_view> line_scanner::next() {
  const auto line = lines_.read_line(from_);
  error_ = line.error() == errc::eof ? std::error_code{} : line.error();
  if (!line) return std::nullopt;
  return *line;
}

}  // namespace ringo::io
