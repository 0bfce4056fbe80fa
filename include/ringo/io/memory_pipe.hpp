#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <system_error>
#include <utility>

#include <ringo/io/buffer.hpp>
#include <ringo/result.hpp>

namespace ringo {
class context;
}

namespace ringo::io {

namespace detail {
class memory_end;
}

class memory_conn;

/// What memory_pipe() returns: `auto [client, server] = ringo::io::memory_pipe();`
struct memory_conns;

/// Two connections that talk to each other, in memory. What one writes the other one reads, in both
/// directions; nothing is buffered between them, so that a write ends when all of its bytes have
/// been read. For tests of code that talks to the network, above all: it has deadlines, contexts
/// and closing as a socket does, needs no descriptor, and in a testing::bubble takes no time.
///
/// @snippet tests/io/memory_pipe_test.cpp bubble
///
/// Never blocks. Four allocations.
/// Source: Go's net.Pipe and io.Pipe.
[[nodiscard]] memory_conns memory_pipe();

/// One end of a memory_pipe(). A handle: copies mean the same end, == is identity, and the last one
/// gone closes it. Default-constructed it is closed.
///
/// Reading and writing block only the fiber (or the plain thread). In each direction several may
/// read and several write at a time: a read takes from one write, and writes do not mix. With a
/// leading context they end with ctx.err() when it is done, at once
/// if it is done on entry. Other errors, the first that holds:
/// - errc::closed: this end is closed;
/// - the other end is closed: errc::eof for a read, std::errc::broken_pipe for a write, or what
///   was given to close_with_error() there;
/// - errc::deadline_exceeded: the deadline has passed, even if the other side was ready.
/// An operation that had none of these when it began, and can go on, succeeds. With an error
/// write() may have written a part; write_some() has written nothing then.
/// An empty read or write does not wait for the other side; it reports the errors above.
///
/// Thread-safe, but for assigning to one handle while another thread uses that same handle. What
/// was done before a write is visible after the read of its bytes, and after that read to the
/// writer when its write returns. An operation does not touch its memory any more when it returns.
/// O(bytes); allocates nothing, but a timer for each wait with a deadline; std::bad_alloc reaches
/// the caller.
///
/// A pipe that was made in a testing::bubble is part of it, and panics "memory_pipe of a bubble
/// used from outside"; one from outside may be used in a bubble by fibers of that bubble alone.
/// Deadlines pass only while a runtime runs. A pipe may not be used any more when run() has ended
/// while fibers were blocked in it.
class memory_conn {
 public:
  memory_conn() = default;

  /// Reads what the other end writes: at least one byte, at most what fits.
  result<std::size_t> read(buffer into) const;
  result<std::size_t> read(const context& ctx, buffer into) const;

  /// Writes all bytes; returns when they have been read, or with the reason why not all were.
  [[nodiscard]] std::error_code write(const_buffer bytes) const;
  [[nodiscard]] std::error_code write(const context& ctx, const_buffer bytes) const;
  /// The same for several pieces in a row; no other write comes between them.
  [[nodiscard]] std::error_code write(std::span<const const_buffer> pieces) const;
  [[nodiscard]] std::error_code write(const context& ctx,
                                      std::span<const const_buffer> pieces) const;

  /// Writes what one read takes, at least one byte, and tells how many.
  result<std::size_t> write_some(const_buffer bytes) const;
  result<std::size_t> write_some(const context& ctx, const_buffer bytes) const;

  /// From then on reads and writes of this end, those that are blocked too, end with
  /// errc::deadline_exceeded; time_point::max(): never. A later deadline takes the place of an
  /// earlier one, passed or not. By the clock of ringo::now(). Never blocks. Error: errc::closed,
  /// one of the ends is closed.
  std::error_code set_deadline(std::chrono::steady_clock::time_point at) const;
  /// The same for reads only.
  std::error_code set_read_deadline(std::chrono::steady_clock::time_point at) const;
  /// The same for writes only.
  std::error_code set_write_deadline(std::chrono::steady_clock::time_point at) const;

  /// Ends what the other end reads, whose reads give errc::eof; reading goes on here. Writes of
  /// this end, blocked ones too, end with std::errc::broken_pipe. Never blocks. Error:
  /// errc::closed, this end is closed.
  std::error_code close_write() const;
  /// Closes this end: whoever is blocked in it or in the other one is woken, with the errors above.
  /// Never blocks. Error: errc::closed, it was closed already.
  std::error_code close() const;
  /// The same, and the other end gets `error` for its reads and writes; for tests of what comes
  /// after a connection is reset, for example. Empty: as close().
  /// Source: Go's PipeWriter.CloseWithError.
  std::error_code close_with_error(std::error_code error) const;

  friend bool operator==(const memory_conn&, const memory_conn&) = default;

 private:
  std::shared_ptr<detail::memory_end> end_;

  explicit memory_conn(std::shared_ptr<detail::memory_end> end) noexcept : end_(std::move(end)) {}
  friend memory_conns memory_pipe();
};

struct memory_conns {
  memory_conn first;
  memory_conn second;
};

}  // namespace ringo::io
