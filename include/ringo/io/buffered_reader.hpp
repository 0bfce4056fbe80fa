#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <ringo/io/copy.hpp>
#include <ringo/io/line_scanner.hpp>
#include <ringo/io/stream.hpp>

namespace ringo::io {

/// Sizes in bytes.
struct buffered_reader_options {
  /// Of the buffer to begin with; larger reads pass it by.
  std::size_t initial_size = 4096;
  /// Up to which it grows for one long line, with its end, or for peek().
  std::size_t size_max = std::size_t{64} * 1024;
};

namespace detail {

/// A buffered_reader without its source. Holds [begin_, end_); what lies before was given out.
class read_buffer {
 public:
  explicit read_buffer(const buffered_reader_options& options) noexcept;

  const_buffer buffered() const noexcept { return {room_.get() + begin_, end_ - begin_}; }
  void skip(std::size_t count) noexcept { begin_ += count; }

  result<std::size_t> read(const reader_ref& from, buffer into);
  result<std::byte> read_byte(const reader_ref& from);
  result<const_buffer> peek(const reader_ref& from, std::size_t count);
  transfer discard(const reader_ref& from, std::uint64_t count);
  result<std::string_view> read_until(const reader_ref& from, std::byte last);
  result<std::string_view> read_line(const reader_ref& from);
  /// Up to `limit` of what is buffered.
  transfer write_to(const writer_ref& to, std::uint64_t limit);

 private:
  std::unique_ptr<std::byte[]> room_;  // from the first read on: idle connections need none
  std::size_t size_;
  std::size_t size_max_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;

  std::error_code fill(const reader_ref& from);
};

}  // namespace detail

/// Reads from another reader in large pieces, and gives them out in small ones, or by lines.
///
/// Keeps the reader it is given: a handle such as a connection as its copy, or a reference if R is
/// one (`buffered_reader<file&>`), which must outlive it. Bytes that it has buffered are missed by
/// whoever reads from that reader directly. Movable. Not thread-safe.
///
/// Each call blocks and gives up as the reader does, and not at all if what it needs is buffered
/// already: then it does not look at the context or the deadline. An error of the reader loses
/// nothing: what is buffered stays so, and the same call may be made again. Views that it returns
/// are valid until the next call or move. The buffer is allocated by the first call that needs it;
/// std::bad_alloc reaches the caller.
/// Source: Go's bufio.Reader.
template <reader R>
class buffered_reader {
 public:
  explicit buffered_reader(R from, buffered_reader_options options = {})
      : from_(std::forward<R>(from)), buffer_(options) {}

  /// Reads what is buffered, or else what the reader gives by one call. Errors: the reader's.
  result<std::size_t> read(buffer into) { return buffer_.read(source(), into); }
  result<std::size_t> read(const context& ctx, buffer into) requires cancellable_reader<R> {
    return buffer_.read(source(ctx), into);
  }

  /// Reads one byte. Errors: the reader's.
  result<std::byte> read_byte() { return buffer_.read_byte(source()); }
  result<std::byte> read_byte(const context& ctx) requires cancellable_reader<R> {
    return buffer_.read_byte(source(ctx));
  }

  /// The next `count` bytes, which stay to be read. Errors: errc::eof, the stream has ended;
  /// errc::unexpected_eof, it ends before (see buffered()); std::errc::message_size, `count` is
  /// over options.size_max; the reader's.
  result<const_buffer> peek(std::size_t count) { return buffer_.peek(source(), count); }
  result<const_buffer> peek(const context& ctx, std::size_t count) requires cancellable_reader<R> {
    return buffer_.peek(source(ctx), count);
  }

  /// Reads `count` bytes and drops them. Errors: errc::eof, the stream has ended before; the
  /// reader's.
  transfer discard(std::uint64_t count) { return buffer_.discard(source(), count); }
  transfer discard(const context& ctx, std::uint64_t count) requires cancellable_reader<R> {
    return buffer_.discard(source(ctx), count);
  }

  /// Reads up to and with the first byte `last`. What the stream ends with has none. Errors:
  /// errc::eof, nothing is left; std::errc::message_size, none among the next options.size_max
  /// bytes, which stay to be read by other means; the reader's.
  /// Source: Go's bufio.Reader.ReadSlice.
  result<std::string_view> read_until(char last) {
    return buffer_.read_until(source(), static_cast<std::byte>(last));
  }
  result<std::string_view> read_until(const context& ctx,
                                      char last) requires cancellable_reader<R> {
    return buffer_.read_until(source(ctx), static_cast<std::byte>(last));
  }

  /// Reads a line and gives it without its end, "\n" or "\r\n". The last line needs no end. Errors
  /// as read_until('\n').
  result<std::string_view> read_line() { return buffer_.read_line(source()); }
  result<std::string_view> read_line(const context& ctx) requires cancellable_reader<R> {
    return buffer_.read_line(source(ctx));
  }

  /// All lines from here on; see line_scanner.
  [[nodiscard]] line_scanner lines() & { return line_scanner(buffer_, from_); }
  [[nodiscard]] line_scanner lines(const context& ctx) & requires cancellable_reader<R> {
    return line_scanner(ctx, buffer_, from_);
  }

  /// What has been read from the reader and not yet from here. Never blocks.
  const_buffer buffered() const noexcept { return buffer_.buffered(); }

  /// For copy(): what is buffered, then the reader itself.
  template <writer W>
  std::optional<transfer> copy_to(W& to, std::uint64_t limit) {
    transfer done = buffer_.write_to(detail::writer_ref(to), limit);
    if (!done.error) add(done, detail::copy_up_to(to, from_, limit - done.bytes));
    return done;
  }
  template <cancellable_writer W>
  std::optional<transfer> copy_to(const context& ctx,
                                  W& to,
                                  std::uint64_t limit) requires cancellable_reader<R> {
    transfer done = buffer_.write_to(detail::writer_ref(ctx, to), limit);
    if (!done.error) add(done, detail::copy_up_to(ctx, to, from_, limit - done.bytes));
    return done;
  }

 private:
  R from_;
  detail::read_buffer buffer_;

  detail::reader_ref source() noexcept { return detail::reader_ref(from_); }
  detail::reader_ref source(const context& ctx) noexcept { return {ctx, from_}; }
  static void add(transfer& sum, const transfer& more) noexcept {
    sum.bytes += more.bytes;
    sum.error = more.error;
  }
};
template <typename R>
buffered_reader(R&&) -> buffered_reader<std::decay_t<R>>;
template <typename R>
buffered_reader(R&&, buffered_reader_options) -> buffered_reader<std::decay_t<R>>;

}  // namespace ringo::io
