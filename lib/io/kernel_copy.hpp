#pragma once

#include <cstddef>
#include <cstdint>

#include <ringo/io/kernel_copy.hpp>
#include <ringo/io/stream.hpp>

#include "io/descriptor.hpp"

/// Copying from one descriptor to another inside the kernel, as a read and write loop would do it.
///
/// A loop reads and writes. When it is to pay (a regular file has much left, a read has filled its
/// buffer), the kernel takes over; and when it does not pay any more, or cannot be, the loop goes
/// on from where things are. Whatever has to be waited for or found out on the side of the source,
/// the loop waits for and finds out: that there is nothing to read now, the end of the stream,
/// urgent data.
///
/// Invariants:
/// - Nobody waits for a turn while he has another one. So two copies in opposite directions, or one
///   from a connection to itself, wait for each other no longer than two loops would.
/// - A call that moves bytes directly needs both turns. It is made with the writer's, and the
///   reader's is only tried; if it is taken, the loop's read waits for it in its place.
/// - While it waits for room a copy has the writer's turn alone, and nothing of the source.
/// - Bytes are in a pipe of the pool only between a read and the write that belongs to it, as they
///   are in the loop's buffer. A pipe with bytes in it is not given back.
///
/// Steps of a direct copy (regular file to socket or file; to or from a pipe):
/// 1. What would keep the source from being read? Then that is the end.
/// 2. Wait for the writer's turn. 3. Try the reader's, and move; let go of the reader's turn.
/// 4. Nothing could be moved: if only room is lacking, wait for it, and on with 3; else the loop.
/// 5. Let go of the writer's turn; on with 1 as long as it pays.
/// Steps of a copy between sockets: wait for the reader's turn, move into a pipe, let go of it;
/// wait for the writer's turn, move out of the pipe, waiting for room, until it is empty.

namespace ringo::detail {
class io_turn;
}

namespace ringo::io::detail {

/// What the loop reads at most. A read of so much says that there is more.
inline constexpr std::size_t copy_buffer_size = std::size_t{32} * 1024;

/// A pipe for a scope.
class pipe_lease;

class kernel_copy {
 public:
  explicit kernel_copy(const kernel_pair& ends) noexcept;

  /// Whether to call move() now.
  bool is_due() const noexcept { return due_; }
  /// Moves up to `limit` bytes. Without an error: the rest is the loop's, which `rest` writes for.
  transfer move(const writer_ref& rest, std::uint64_t limit);
  /// The loop has read as much as it could.
  void there_is_much() noexcept { due_ = way_ != way::none; }

 private:
  enum class way : std::uint8_t {
    unknown,
    none,
    send_file,   ///< from a regular file to a socket
    copy_range,  ///< between regular files
    splice,      ///< one end is a pipe
    through_pipe
  };

  const kernel_pair ends_;
  way way_ = way::unknown;
  bool due_ = false;

  way find_way() const noexcept;
  bool from_file() const noexcept { return way_ == way::send_file || way_ == way::copy_range; }
  transfer move_directly(std::uint64_t limit);
  ringo::detail::io_outcome move_once(ringo::detail::io_turn& out, std::size_t size);
  std::int64_t call(ringo::detail::io_turn& in,
                    ringo::detail::io_turn& out,
                    std::size_t size) const;
  transfer move_through_pipe(const writer_ref& rest, std::uint64_t limit);
  ringo::detail::io_outcome fill(pipe_lease& between, std::size_t size);
  ringo::detail::io_outcome empty(pipe_lease& between, const writer_ref& rest);
  ringo::detail::io_outcome failed(std::int64_t result) noexcept;
  void took(std::int64_t count) noexcept {
    if (ends_.from.left != nullptr) *ends_.from.left -= static_cast<std::uint64_t>(count);
  }
};

}  // namespace ringo::io::detail
