#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <string_view>
#include <system_error>

#include <ringo/context.hpp>
#include <ringo/io/stream.hpp>

namespace ringo::io {

namespace detail {

class read_buffer;

}  // namespace detail

/// The lines of a stream, for a range-based for; from buffered_reader::lines(). An error ends the
/// loop as the end of the stream does, so ask for it afterwards:
///
/// @snippet tests/io/line_scanner_test.cpp lines
///
/// A single pass: begin() and each ++ read one line, and block and fail as
/// buffered_reader::read_line() does. After an error that may pass, such as a deadline, a new loop
/// goes on where the last one stopped. A line is valid until the next one is read. The
/// buffered_reader must outlive it, and not be moved meanwhile. Not thread-safe.
/// Source: Go's bufio.Scanner.
class line_scanner {
 public:
  class iterator;

  line_scanner(const line_scanner&) = delete;
  line_scanner& operator=(const line_scanner&) = delete;
  ~line_scanner() = default;

  /// The next line, without its end; empty: there is none, see error().
  std::optional<std::string_view> next();

  /// Reads the first line.
  iterator begin();
  std::default_sentinel_t end() const noexcept { return {}; }

  /// Why there are no more lines; empty: there are, or the stream has ended.
  [[nodiscard]] std::error_code error() const noexcept { return error_; }

  /// For buffered_reader.
  template <typename R>
  line_scanner(detail::read_buffer& lines, R& from) noexcept : lines_(lines), from_(from) {}
  template <typename R>
  line_scanner(const context& ctx, detail::read_buffer& lines, R& from)
      : lines_(lines), ctx_(ctx), from_(ctx_, from) {}

 private:
  detail::read_buffer& lines_;
  context ctx_;  // from_ may point to it
  detail::reader_ref from_;
  std::error_code error_;
};

class line_scanner::iterator {
 public:
  using iterator_concept = std::input_iterator_tag;
  using value_type = std::string_view;
  using difference_type = std::ptrdiff_t;

  iterator() = default;
  explicit iterator(line_scanner& lines) : lines_(&lines), line_(lines.next()) {}

  std::string_view operator*() const noexcept { return *line_; }
  iterator& operator++() {
    line_ = lines_->next();
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const iterator& i, std::default_sentinel_t /*end*/) noexcept {
    return !i.line_.has_value();
  }

 private:
  line_scanner* lines_ = nullptr;
  std::optional<std::string_view> line_;
};

inline line_scanner::iterator line_scanner::begin() {
  return iterator(*this);
}

}  // namespace ringo::io
