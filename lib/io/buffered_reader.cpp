#include <ringo/io/buffered_reader.hpp>

#include <cstring>

#include <ringo/error.hpp>

namespace ringo::io::detail {
namespace {

std::string_view as_text(const std::byte* data, std::size_t size) noexcept {
  return {reinterpret_cast<const char*>(data), size};
}

std::string_view without_end(std::string_view line) noexcept {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

read_buffer::read_buffer(const buffered_reader_options& options) noexcept
    : size_(std::max<std::size_t>(1, std::min(options.initial_size, options.size_max))),
      size_max_(std::max(size_, options.size_max)) {}

/// Reads once, behind what is there; makes room for it before. Invalidates what was given out.
std::error_code read_buffer::fill(const reader_ref& from) {
  const std::size_t kept = end_ - begin_;
  if (kept == size_max_) return std::make_error_code(std::errc::message_size);
  if (room_ == nullptr || kept == size_) {
    const std::size_t size = room_ == nullptr ? size_ : std::min(2 * size_, size_max_);
    std::unique_ptr<std::byte[]> larger(new std::byte[size]);
    if (kept > 0) std::memcpy(larger.get(), room_.get() + begin_, kept);
    room_ = std::move(larger);
    size_ = size;
  } else if (kept > 0 && begin_ > 0) {
    std::memmove(room_.get(), room_.get() + begin_, kept);
  }
  begin_ = 0;
  end_ = kept;
  const auto count = from.read(buffer(room_.get() + end_, size_ - end_));
  if (count) end_ += *count;
  return count.error();
}

result<std::size_t> read_buffer::read(const reader_ref& from, buffer into) {
  if (into.empty()) return std::size_t{0};
  if (begin_ == end_) {
    if (into.size() >= size_) return from.read(into);
    if (const auto error = fill(from)) return error;
  }
  const std::size_t count = std::min(into.size(), end_ - begin_);
  std::memcpy(into.data(), room_.get() + begin_, count);
  begin_ += count;
  return count;
}

result<std::byte> read_buffer::read_byte(const reader_ref& from) {
  if (begin_ == end_) {
    if (const auto error = fill(from)) return error;
  }
  return room_[begin_++];
}

result<const_buffer> read_buffer::peek(const reader_ref& from, std::size_t count) {
  if (count > size_max_) return std::make_error_code(std::errc::message_size);
  while (end_ - begin_ < count) {
    if (const auto error = fill(from)) {
      if (error == errc::eof && begin_ != end_) return errc::unexpected_eof;
      return error;
    }
  }
  return const_buffer(room_.get() + begin_, count);
}

transfer read_buffer::discard(const reader_ref& from, std::uint64_t count) {
  transfer done;
  for (;;) {
    const auto part =
        static_cast<std::size_t>(std::min<std::uint64_t>(count - done.bytes, end_ - begin_));
    begin_ += part;
    done.bytes += part;
    if (done.bytes == count) return done;
    if ((done.error = fill(from))) return done;
  }
}

result<std::string_view> read_buffer::read_until(const reader_ref& from, std::byte last) {
  for (std::size_t searched = 0;;) {
    const std::size_t there = end_ - begin_;
    if (there > searched) {
      const void* const found = std::memchr(
          room_.get() + begin_ + searched, std::to_integer<int>(last), there - searched);
      if (found != nullptr) {
        const std::byte* const first = room_.get() + begin_;
        const auto size =
            static_cast<std::size_t>(static_cast<const std::byte*>(found) - first) + 1;
        begin_ += size;
        return as_text(first, size);
      }
    }
    searched = there;
    if (const auto error = fill(from)) {
      if (error != errc::eof || there == 0) return error;
      begin_ = end_;
      return as_text(room_.get() + end_ - there, there);
    }
  }
}

result<std::string_view> read_buffer::read_line(const reader_ref& from) {
  const auto line = read_until(from, std::byte{'\n'});
  if (!line) return line;
  return without_end(*line);
}

transfer read_buffer::write_to(const writer_ref& to, std::uint64_t limit) {
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(limit, end_ - begin_));
  if (count == 0) return {};
  const transfer done = to.write(const_buffer(room_.get() + begin_, count));
  begin_ += static_cast<std::size_t>(done.bytes);
  return done;
}

}  // namespace ringo::io::detail
