#include <ringo/io/buffered_writer.hpp>

#include <algorithm>
#include <array>

namespace ringo::io::detail {

/// Of bytes that fit.
void write_buffer::keep(const_buffer bytes) {
  if (bytes.empty()) return;
  if (room_ == nullptr) room_.reset(new std::byte[size_]);
  std::memcpy(room_.get() + used_, bytes.data(), bytes.size());
  used_ += bytes.size();
}

std::error_code write_buffer::write(const pieces_ref& to, const_buffer bytes) {
  if (error_) return error_;
  if (bytes.size() <= available()) {
    keep(bytes);
    return {};
  }
  if (bytes.size() >= size_) {
    const std::array<const_buffer, 2> pieces = {const_buffer(room_.get(), used_), bytes};
    error_ = to.write(std::span(pieces).subspan(used_ > 0 ? 0 : 1));
    if (!error_) used_ = 0;
    return error_;
  }
  const std::size_t first = available();
  keep(const_buffer(bytes.data(), first));
  if (const auto error = flush(to)) return error;
  keep(const_buffer(bytes.data() + first, bytes.size() - first));
  return {};
}

std::error_code write_buffer::flush(const pieces_ref& to) {
  if (error_ || used_ == 0) return error_;
  const const_buffer all(room_.get(), used_);
  error_ = to.write(std::span(&all, 1));
  if (!error_) used_ = 0;
  return error_;
}

}  // namespace ringo::io::detail
