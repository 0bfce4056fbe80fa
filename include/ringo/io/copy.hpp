#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <ringo/error.hpp>
#include <ringo/io/kernel_copy.hpp>
#include <ringo/io/stream.hpp>

namespace ringo::io {
namespace detail {

// What a stream may offer instead of a loop through a buffer; see copy().
template <typename R, typename W>
concept copies_to = requires(R& from, W& to, std::uint64_t limit) {
  { from.copy_to(to, limit) } -> std::same_as<std::optional<transfer>>;
};
template <typename R, typename W>
concept cancellable_copies_to = requires(R& from, W& to, const context& ctx, std::uint64_t limit) {
  { from.copy_to(ctx, to, limit) } -> std::same_as<std::optional<transfer>>;
};
template <typename W, typename R>
concept copies_from = requires(W& to, R& from, std::uint64_t limit) {
  { to.copy_from(from, limit) } -> std::same_as<std::optional<transfer>>;
};
template <typename W, typename R>
concept cancellable_copies_from =
    requires(W& to, R& from, const context& ctx, std::uint64_t limit) {
  { to.copy_from(ctx, from, limit) } -> std::same_as<std::optional<transfer>>;
};

/// Through a buffer on the heap.
transfer copy_in_steps(const writer_ref& to, const reader_ref& from, std::uint64_t limit);
/// The same, but by the kernel as long as that pays.
transfer copy_in_kernel(const writer_ref& to,
                        const reader_ref& from,
                        const kernel_pair& ends,
                        std::uint64_t limit);

/// By what the two offer; empty: nothing, or not for these.
template <typename W, typename R>
std::optional<transfer> copy_by_shortcut([[maybe_unused]] W& to,
                                         [[maybe_unused]] R& from,
                                         [[maybe_unused]] std::uint64_t limit) {
  std::optional<transfer> done;
  if constexpr (copies_to<R, W>) done = from.copy_to(to, limit);
  if constexpr (copies_from<W, R>) {
    if (!done) done = to.copy_from(from, limit);
  }
  return done;
}
template <typename W, typename R>
std::optional<transfer> copy_by_shortcut([[maybe_unused]] const context& ctx,
                                         [[maybe_unused]] W& to,
                                         [[maybe_unused]] R& from,
                                         [[maybe_unused]] std::uint64_t limit) {
  std::optional<transfer> done;
  if constexpr (cancellable_copies_to<R, W>) done = from.copy_to(ctx, to, limit);
  if constexpr (cancellable_copies_from<W, R>) {
    if (!done) done = to.copy_from(ctx, from, limit);
  }
  return done;
}

/// Up to `limit` bytes or to the end of the stream, neither of which is an error.
template <typename W, typename R>
transfer copy_up_to(W& to, R& from, std::uint64_t limit) {
  if (const auto done = copy_by_shortcut(to, from, limit)) return *done;
  if constexpr (has_kernel_access<W> && has_kernel_access<R>) {
    return copy_in_kernel(
        writer_ref(to), reader_ref(from), kernel_pair_of(to, from, nullptr), limit);
  }
  return copy_in_steps(writer_ref(to), reader_ref(from), limit);
}
template <typename W, typename R>
transfer copy_up_to(const context& ctx, W& to, R& from, std::uint64_t limit) {
  if (const auto done = copy_by_shortcut(ctx, to, from, limit)) return *done;
  if constexpr (has_kernel_access<W> && has_kernel_access<R>) {
    auto* const stop = ringo::detail::cancellation_of(ctx);
    return copy_in_kernel(
        writer_ref(ctx, to), reader_ref(ctx, from), kernel_pair_of(to, from, stop), limit);
  }
  return copy_in_steps(writer_ref(ctx, to), reader_ref(ctx, from), limit);
}

/// copy_n() reports a stream that is too short.
transfer expect_all(transfer done, std::uint64_t count) noexcept;

}  // namespace detail

/// Copies from `from` to `to` until the stream ends, which is no error. Blocks and gives up as the
/// two do. Errors: those of either; `bytes` is what was written before. What was read and could not
/// be written is lost. A writer without write_some() counts a write that fails as nothing. O(bytes)
/// through one buffer of 32 KiB from the heap; std::bad_alloc reaches the caller.
///
/// Between handles of descriptors (file, tcp_conn, unix_conn, and limited_reader of these) the
/// kernel moves the bytes where that pays: by sendfile(2), copy_file_range(2) or splice(2). It is
/// as if they were read and written, with the same errors, deadlines and counts, but for this: what
/// was taken from a pipe or socket and could not be written is up to 1 MiB, while of a file no more
/// is taken than arrives; and pages of a file that is changed before the receiver has read them may
/// arrive as they are then. A file blocks its thread for the disk as a `blocking()` call does.
/// Types that derive from a handle, or hold one, are read and written as they say themselves.
///
/// A pair of streams that knows a shorter way is found when this is compiled: a member of the
/// reader, asked first, or of the writer,
///     std::optional<transfer> copy_to(W& to, std::uint64_t limit)
///     std::optional<transfer> copy_from(R& from, std::uint64_t limit)
/// and each with a leading context for the form with one. It copies up to `limit` bytes (the
/// largest number: without limit), and returns empty if it cannot and has moved nothing: then it
/// goes on as if there were none.
/// Source: Go's io.Copy, io.WriterTo, io.ReaderFrom.
template <writer W, reader R>
transfer copy(W&& to, R&& from) {
  return detail::copy_up_to(to, from, detail::no_limit);
}
/// The same with a context.
template <cancellable_writer W, cancellable_reader R>
transfer copy(const context& ctx, W&& to, R&& from) {
  return detail::copy_up_to(ctx, to, from, detail::no_limit);
}

/// Copies `count` bytes, and reads no more than them. Errors also: errc::eof, the stream has ended
/// before. Otherwise as copy().
/// Source: Go's io.CopyN.
template <writer W, reader R>
transfer copy_n(W&& to, R&& from, std::uint64_t count) {
  return detail::expect_all(detail::copy_up_to(to, from, count), count);
}
/// The same with a context.
template <cancellable_writer W, cancellable_reader R>
transfer copy_n(const context& ctx, W&& to, R&& from, std::uint64_t count) {
  return detail::expect_all(detail::copy_up_to(ctx, to, from, count), count);
}

/// A reader of the next `limit` bytes of another one, whose end it reports then. Keeps what it is
/// given: a handle such as a connection as its copy, or a reference if R is one
/// (`limited_reader<file&>`), which must outlive it. Not thread-safe.
/// Source: Go's io.LimitedReader.
template <reader R>
class limited_reader {
 public:
  limited_reader(R from, std::uint64_t limit) : from_(std::forward<R>(from)), left_(limit) {}

  /// As the reader's; errc::eof when the limit is reached.
  result<std::size_t> read(buffer into) {
    if (left_ == 0 && !into.empty()) return errc::eof;
    return count(from_.read(clip(into)));
  }
  result<std::size_t> read(const context& ctx, buffer into) requires cancellable_reader<R> {
    if (left_ == 0 && !into.empty()) return errc::eof;
    return count(from_.read(ctx, clip(into)));
  }

  /// How many bytes it may still read.
  std::uint64_t left() const noexcept { return left_; }

  /// For copy(): what the reader offers, up to what is left.
  template <writer W>
  std::optional<transfer> copy_to(W& to, std::uint64_t limit) {
    return count(detail::copy_by_shortcut(to, from_, std::min(limit, left_)));
  }
  template <cancellable_writer W>
  std::optional<transfer> copy_to(const context& ctx,
                                  W& to,
                                  std::uint64_t limit) requires cancellable_reader<R> {
    return count(detail::copy_by_shortcut(ctx, to, from_, std::min(limit, left_)));
  }

 private:
  R from_;
  std::uint64_t left_;

  buffer clip(buffer into) const noexcept {
    return {into.data(), static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), left_))};
  }
  result<std::size_t> count(result<std::size_t> read) noexcept {
    if (read) left_ -= *read;
    return read;
  }
  std::optional<transfer> count(std::optional<transfer> done) noexcept {
    if (done) left_ -= done->bytes;
    return done;
  }

  friend struct detail::kernel_access<limited_reader>;
};
template <typename R>
limited_reader(R&&, std::uint64_t) -> limited_reader<std::decay_t<R>>;

template <typename R>
requires detail::has_kernel_access<std::remove_reference_t<R>>
struct detail::kernel_access<limited_reader<R>> {
  /// Without a number if there are several limits: none of them can be told alone.
  static kernel_end of(limited_reader<R>& from) noexcept {
    const auto inner = kernel_access<std::remove_cvref_t<R>>::of(from.from_);
    return inner.left == nullptr ? kernel_end{inner.number, &from.left_} : kernel_end{};
  }
};

/// See discard.
struct discard_writer {
  [[nodiscard]] std::error_code write(const_buffer /*bytes*/) const noexcept { return {}; }
  /// ctx.err(), for a loop that copies to end with the context.
  [[nodiscard]] std::error_code write(const context& ctx, const_buffer bytes) const;
};

/// A writer that throws everything away: `io::copy(io::discard, conn)`.
/// Source: Go's io.Discard.
inline constexpr discard_writer discard;

}  // namespace ringo::io
