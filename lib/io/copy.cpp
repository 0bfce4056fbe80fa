#include <ringo/io/copy.hpp>

#include <memory>

#include <ringo/context.hpp>
#include <ringo/error.hpp>

#include "io/kernel_copy.hpp"

namespace ringo::io {
namespace detail {
namespace {

/// `kernel` may be null.
transfer copy_with(kernel_copy* kernel,
                   const writer_ref& to,
                   const reader_ref& from,
                   std::uint64_t limit) {
  transfer done;
  if (limit == 0) return done;
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(copy_buffer_size, limit));
  // Not on the fiber's stack, of which it would touch eight pages for good.
  const std::unique_ptr<std::byte[]> room(new std::byte[size]);
  while (done.bytes < limit) {
    if (kernel != nullptr && kernel->is_due()) {
      const transfer moved = kernel->move(to, limit - done.bytes);
      done = {done.bytes + moved.bytes, moved.error};
      if (done.error || done.bytes == limit) break;
    }
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(size, limit - done.bytes));
    const auto count = from.read(buffer(room.get(), most));
    if (!count) {
      if (count.error() != errc::eof) done.error = count.error();
      break;
    }
    const transfer written = to.write(const_buffer(room.get(), *count));
    done.bytes += written.bytes;
    if (written.error) {
      done.error = written.error;
      break;
    }
    if (kernel != nullptr && *count == copy_buffer_size) kernel->there_is_much();
  }
  return done;
}

}  // namespace

transfer copy_in_steps(const writer_ref& to, const reader_ref& from, std::uint64_t limit) {
  return copy_with(nullptr, to, from, limit);
}

transfer copy_in_kernel(const writer_ref& to,
                        const reader_ref& from,
                        const kernel_pair& ends,
                        std::uint64_t limit) {
  kernel_copy kernel(ends);
  return copy_with(&kernel, to, from, limit);
}

transfer expect_all(transfer done, std::uint64_t count) noexcept {
  if (!done.error && done.bytes < count) done.error = errc::eof;
  return done;
}

}  // namespace detail

std::error_code discard_writer::write(const context& ctx, const_buffer /*bytes*/) const {
  return ctx.err();
}

}  // namespace ringo::io
