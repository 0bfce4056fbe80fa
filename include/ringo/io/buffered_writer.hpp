#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

#include <ringo/io/stream.hpp>

namespace ringo::io {

/// Sizes in bytes.
struct buffered_writer_options {
  /// Of the buffer; larger writes pass it by.
  std::size_t size = 4096;
};

namespace detail {

/// A writer of whatever type that takes pieces, by one call if it can; as writer_ref.
class pieces_ref {
 public:
  template <writer W>
  explicit pieces_ref(W& to) noexcept
      : object_(address_of(to)), call_([](const pieces_ref& self, pieces all) {
          W& into = *static_cast<W*>(self.object_);
          if constexpr (vectored_writer<W>) {
            return into.write(all);
          } else {
            return one_by_one(all, [&](const_buffer piece) { return into.write(piece); });
          }
        }) {}
  template <cancellable_writer W>
  pieces_ref(const context& ctx, W& to) noexcept
      : object_(address_of(to)), ctx_(&ctx), call_([](const pieces_ref& self, pieces all) {
          W& into = *static_cast<W*>(self.object_);
          if constexpr (cancellable_vectored_writer<W>) {
            return into.write(*self.ctx_, all);
          } else {
            return one_by_one(all,
                              [&](const_buffer piece) { return into.write(*self.ctx_, piece); });
          }
        }) {}

  [[nodiscard]] std::error_code write(std::span<const const_buffer> all) const {
    return call_(*this, all);
  }

 private:
  using pieces = std::span<const const_buffer>;

  void* object_;
  const context* ctx_ = nullptr;
  std::error_code (*call_)(const pieces_ref&, pieces);

  template <typename Write>
  static std::error_code one_by_one(pieces all, Write write) {
    for (const const_buffer& piece : all) {
      if (const std::error_code error = write(piece)) return error;
    }
    return {};
  }
};

/// A buffered_writer without its target.
class write_buffer {
 public:
  explicit write_buffer(const buffered_writer_options& options) noexcept
      : size_(options.size > 0 ? options.size : 1) {}

  std::size_t buffered() const noexcept { return used_; }
  std::size_t available() const noexcept { return size_ - used_; }
  std::error_code error() const noexcept { return error_; }

  std::error_code write(const pieces_ref& to, const_buffer bytes);
  std::error_code flush(const pieces_ref& to);

 private:
  std::unique_ptr<std::byte[]> room_;  // from the first write on
  std::size_t size_;
  std::size_t used_ = 0;
  std::error_code error_;

  void keep(const_buffer bytes);
};

}  // namespace detail

/// Collects small writes, and gives them to another writer in large ones.
///
/// Keeps the writer it is given, as buffered_reader does its reader: a handle as its copy, or a
/// reference if W is one. **The destructor does not flush**: it could neither report an error nor
/// be given up. Call flush() at the end, and look at what it returns. Movable; one that was moved
/// from may only be destroyed or assigned to. Not thread-safe.
///
/// A call blocks when the buffer is full, as the writer does. Its first error stays: nobody knows
/// how much was written then, so every later call returns it and writes nothing. That holds for a
/// context or a deadline that ends a call, too. The buffer is allocated by the first write that
/// needs it; std::bad_alloc reaches the caller.
/// Source: Go's bufio.Writer.
template <writer W>
class buffered_writer {
 public:
  explicit buffered_writer(W to, buffered_writer_options options = {})
      : to_(std::forward<W>(to)), buffer_(options) {}

  /// Writes all bytes, into the buffer as long as they fit. Those that are no fewer than the whole
  /// buffer holds are not copied: they go out behind what is buffered, both by one call if W is a
  /// vectored_writer. Errors: the writer's, of this or an earlier call.
  [[nodiscard]] std::error_code write(const_buffer bytes) { return buffer_.write(target(), bytes); }
  [[nodiscard]] std::error_code write(const context& ctx,
                                      const_buffer bytes) requires cancellable_writer<W> {
    return buffer_.write(target(ctx), bytes);
  }

  /// Writes one byte; as write().
  [[nodiscard]] std::error_code write_byte(std::byte one) { return write(const_buffer(&one, 1)); }
  [[nodiscard]] std::error_code write_byte(const context& ctx,
                                           std::byte one) requires cancellable_writer<W> {
    return write(ctx, const_buffer(&one, 1));
  }

  /// Writes what is buffered to the writer. Errors as write().
  [[nodiscard]] std::error_code flush() { return buffer_.flush(target()); }
  [[nodiscard]] std::error_code flush(const context& ctx) requires cancellable_writer<W> {
    return buffer_.flush(target(ctx));
  }

  /// How many bytes wait for flush().
  std::size_t buffered() const noexcept { return buffer_.buffered(); }
  /// How many more fit before it writes by itself.
  std::size_t available() const noexcept { return buffer_.available(); }
  /// The error that stays; empty: none so far.
  [[nodiscard]] std::error_code error() const noexcept { return buffer_.error(); }

 private:
  W to_;
  detail::write_buffer buffer_;

  detail::pieces_ref target() noexcept { return detail::pieces_ref(to_); }
  detail::pieces_ref target(const context& ctx) noexcept { return {ctx, to_}; }
};
template <typename W>
buffered_writer(W&&) -> buffered_writer<std::decay_t<W>>;
template <typename W>
buffered_writer(W&&, buffered_writer_options) -> buffered_writer<std::decay_t<W>>;

}  // namespace ringo::io
