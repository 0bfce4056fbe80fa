#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <type_traits>

#include <ringo/io/buffer.hpp>
#include <ringo/result.hpp>

namespace ringo {
class context;
}

namespace ringo::io {

/// A source of bytes: Go's io.Reader. `read(buffer)` reads what there is, at least one byte and at
/// most what fits, and may block the fiber until there is some. The end of the stream is errc::eof,
/// and never 0: that is what an empty buffer gets. (Readers of packets may return 0 for an empty
/// packet; the functions here pass over it, and end with errc::no_progress after 100 in a row.)
/// Unlike in Go bytes and an error never come together: the bytes first, the error from the next
/// call. The memory is not touched any more when read returns.
template <typename R>
concept reader = requires(R& from, buffer into) {
  { from.read(into) } -> std::same_as<result<std::size_t>>;
};

/// A reader that can give up: `read(ctx, buffer)` ends with ctx.err() when the context is done. The
/// functions here that take a context ask for this one.
template <typename R>
concept cancellable_reader = reader<R> && requires(R& from, const context& ctx, buffer into) {
  { from.read(ctx, into) } -> std::same_as<result<std::size_t>>;
};

/// Where bytes go: Go's io.Writer. `write(const_buffer)` writes all of them, or fails; an empty
/// code: all are written. It may block the fiber until there is room. The memory is not touched any
/// more when it returns.
template <typename W>
concept writer = requires(W& to, const_buffer bytes) {
  { to.write(bytes) } -> std::same_as<std::error_code>;
};

/// A writer that can give up, as cancellable_reader.
template <typename W>
concept cancellable_writer = writer<W> && requires(W& to, const context& ctx, const_buffer bytes) {
  { to.write(ctx, bytes) } -> std::same_as<std::error_code>;
};

/// A writer that takes several pieces by one call, as if they were one.
template <typename W>
concept vectored_writer = writer<W> && requires(W& to, std::span<const const_buffer> pieces) {
  { to.write(pieces) } -> std::same_as<std::error_code>;
};
/// The same with a context.
template <typename W>
concept cancellable_vectored_writer = cancellable_writer<W> && vectored_writer<W> &&
    requires(W& to, const context& ctx, std::span<const const_buffer> pieces) {
  { to.write(ctx, pieces) } -> std::same_as<std::error_code>;
};

/// How far an operation has come that moves bytes in several steps: `error` does not mean that
/// nothing has happened. So it is not a result<T>, which holds either a count or an error.
struct [[nodiscard]] transfer {
  std::uint64_t bytes = 0;  ///< that have arrived; also when there is an error
  std::error_code error;    ///< empty: it has done all that it was asked for

  friend bool operator==(const transfer&, const transfer&) = default;
};

namespace detail {

inline constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();

template <typename T>
void* address_of(T& object) noexcept {
  return const_cast<std::remove_const_t<T>*>(std::addressof(object));
}

/// A reader of whatever type, and the context of the call if there is one; valid as long as both.
class reader_ref {
 public:
  template <reader R>
  explicit reader_ref(R& from) noexcept
      : object_(address_of(from)), call_([](const reader_ref& self, buffer into) {
          return static_cast<R*>(self.object_)->read(into);
        }) {}
  template <cancellable_reader R>
  reader_ref(const context& ctx, R& from) noexcept
      : object_(address_of(from)), ctx_(&ctx), call_([](const reader_ref& self, buffer into) {
          return static_cast<R*>(self.object_)->read(*self.ctx_, into);
        }) {}

  /// At least one byte, or an error; `into` is not empty.
  result<std::size_t> read(buffer into) const;

 private:
  void* object_;
  const context* ctx_ = nullptr;
  result<std::size_t> (*call_)(const reader_ref&, buffer);
};

/// Those that can tell how much was written before an error.
template <typename W>
concept partial_writer = requires(W& to, const_buffer bytes) {
  { to.write_some(bytes) } -> std::same_as<result<std::size_t>>;
};
template <typename W>
concept cancellable_partial_writer = requires(W& to, const context& ctx, const_buffer bytes) {
  { to.write_some(ctx, bytes) } -> std::same_as<result<std::size_t>>;
};

/// Writes all by one call, or by as many as it takes if they can tell how far they have come.
template <typename WriteSome>
transfer write_in_steps(const_buffer bytes, WriteSome write_some) {
  transfer done;
  while (done.bytes < bytes.size()) {
    const result<std::size_t> written =
        write_some(const_buffer(bytes.data() + done.bytes, bytes.size() - done.bytes));
    if (!written) {
      done.error = written.error();
      break;
    }
    done.bytes += *written;
  }
  return done;
}
inline transfer all_or_nothing(const_buffer bytes, std::error_code error) noexcept {
  return {error ? 0 : bytes.size(), error};
}

/// A writer of whatever type, as reader_ref.
class writer_ref {
 public:
  template <writer W>
  explicit writer_ref(W& to) noexcept
      : object_(address_of(to)), call_([](const writer_ref& self, const_buffer bytes) {
          W& into = *static_cast<W*>(self.object_);
          if constexpr (partial_writer<W>) {
            return write_in_steps(bytes, [&](const_buffer rest) { return into.write_some(rest); });
          } else {
            return all_or_nothing(bytes, into.write(bytes));
          }
        }) {}
  template <cancellable_writer W>
  writer_ref(const context& ctx, W& to) noexcept
      : object_(address_of(to)), ctx_(&ctx), call_([](const writer_ref& self, const_buffer bytes) {
          W& into = *static_cast<W*>(self.object_);
          if constexpr (cancellable_partial_writer<W>) {
            return write_in_steps(
                bytes, [&](const_buffer rest) { return into.write_some(*self.ctx_, rest); });
          } else {
            return all_or_nothing(bytes, into.write(*self.ctx_, bytes));
          }
        }) {}

  /// All of it, or as much as could be counted and an error.
  transfer write(const_buffer bytes) const { return call_(*this, bytes); }

 private:
  void* object_;
  const context* ctx_ = nullptr;
  transfer (*call_)(const writer_ref&, const_buffer);
};

transfer read_at_least(const reader_ref& from, buffer into, std::size_t least);
result<std::string> read_all(const reader_ref& from, std::size_t limit);

}  // namespace detail

/// Reads until `into` is full. Blocks and gives up as the reader does.
/// Errors: errc::eof, the stream had ended already; errc::unexpected_eof, it ended in the middle,
/// and `bytes` of it are there; the reader's. An empty buffer is full: nothing is read.
/// O(reads), allocates nothing.
/// Source: Go's io.ReadFull.
template <reader R>
transfer read_full(R&& from, buffer into) {
  return detail::read_at_least(detail::reader_ref(from), into, into.size());
}
/// The same with a context.
template <cancellable_reader R>
transfer read_full(const context& ctx, R&& from, buffer into) {
  return detail::read_at_least(detail::reader_ref(ctx, from), into, into.size());
}

/// Reads until there are `least` bytes; more, up to what fits, if they come along. Otherwise as
/// read_full(). Errors also: std::errc::no_buffer_space, `into` is smaller than that; nothing is
/// read then.
/// Source: Go's io.ReadAtLeast.
template <reader R>
transfer read_at_least(R&& from, buffer into, std::size_t least) {
  return detail::read_at_least(detail::reader_ref(from), into, least);
}
/// The same with a context.
template <cancellable_reader R>
transfer read_at_least(const context& ctx, R&& from, buffer into, std::size_t least) {
  return detail::read_at_least(detail::reader_ref(ctx, from), into, least);
}

/// Reads to the end of the stream, which is no error here. Blocks and gives up as the reader does.
/// Errors: std::errc::message_size, there are more bytes than `limit`; the reader's. What was read
/// before an error is lost: copy() into a writer keeps it. Whoever reads from strangers sets a
/// limit. O(bytes); std::bad_alloc reaches the caller.
/// Source: Go's io.ReadAll.
template <reader R>
result<std::string> read_all(R&& from,
                             std::size_t limit = std::numeric_limits<std::size_t>::max()) {
  return detail::read_all(detail::reader_ref(from), limit);
}
/// The same with a context.
template <cancellable_reader R>
result<std::string> read_all(const context& ctx,
                             R&& from,
                             std::size_t limit = std::numeric_limits<std::size_t>::max()) {
  return detail::read_all(detail::reader_ref(ctx, from), limit);
}

}  // namespace ringo::io
