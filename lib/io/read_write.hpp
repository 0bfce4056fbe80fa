#pragma once

#include <span>

#include <ringo/io/buffer.hpp>

#include "io/descriptor.hpp"
#include "io/io_outcome.hpp"

/// What streams are made of. Each takes its turn, and blocks until it is done.

namespace ringo::detail {

/// Up to `to.size()` bytes; none if that is 0, else 0 bytes and errc::eof at the end of a stream.
io_outcome read_some(descriptor& from, io::buffer to, cancellation* stop);
/// At least one byte; none if there are none to write.
io_outcome write_some(descriptor& to, io::const_buffer from, cancellation* stop);
/// All bytes, or the count of those that were written before the error.
io_outcome write_all(descriptor& to, io::const_buffer from, cancellation* stop);
/// The same for several pieces, one after the other.
io_outcome write_all(descriptor& to, std::span<const io::const_buffer> from, cancellation* stop);
/// What is left of a write_all(), by who has the turn, and gives it up here; `result` is what
/// send(2) has returned for all of `from`, or -errno.
io_outcome write_on(descriptor& to, io::const_buffer from, std::int64_t result);

}  // namespace ringo::detail
