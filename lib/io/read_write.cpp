#include "io/read_write.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <ringo/error.hpp>

#include "io/io_turn.hpp"
#include "io/system_call.hpp"

namespace ringo::detail {
namespace {

void describe_write(operation& op, const descriptor& to, io::const_buffer from) noexcept {
  op.code = to.is_socket() ? opcode::send : opcode::write;
  op.events = POLLOUT;
  op.flags = to.is_socket() ? MSG_NOSIGNAL : 0;
  op.data = const_cast<std::byte*>(from.data());  // the kernel only reads it
  op.size = from.size();
}

/// The pieces from `first` on, less the first `skipped` bytes of that one.
std::size_t fill(std::span<iovec> to,
                 std::span<const io::const_buffer> from,
                 std::size_t first,
                 std::size_t skipped) noexcept {
  std::size_t count = 0;
  for (std::size_t i = first; i < from.size() && count < to.size(); ++i) {
    const std::size_t skip = i == first ? skipped : 0;
    to[count].iov_base = const_cast<std::byte*>(from[i].data() + skip);  // only read
    to[count].iov_len = from[i].size() - skip;
    ++count;
  }
  return count;
}

io_outcome send_pieces(io_turn& turn, std::span<const io::const_buffer> from) {
  constexpr std::size_t pieces_max = 32;  // at a time: they are on the fiber's stack
  std::array<iovec, pieces_max> pieces;
  std::int64_t done = 0;
  std::size_t first = 0;
  std::size_t skipped = 0;
  for (;;) {
    while (first < from.size() && skipped >= from[first].size()) {
      skipped -= from[first].size();
      ++first;
    }
    if (first == from.size()) return {done, {}};
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = fill(pieces, from, first, skipped);
    operation op;
    op.code = opcode::send_message;
    op.events = POLLOUT;
    op.flags = MSG_NOSIGNAL;
    op.data = &message;
    const io_outcome part = turn.run(op);
    done += part.count;
    if (part.error) return {done, part.error};
    skipped += static_cast<std::size_t>(part.count);
  }
}

/// What is left behind the first `done` bytes.
io_outcome write_rest(io_turn& turn,
                      const descriptor& to,
                      io::const_buffer from,
                      std::size_t done) {
  while (done < from.size()) {
    operation op;
    describe_write(op, to, {from.data() + done, from.size() - done});
    const io_outcome part = turn.run(op);
    done += static_cast<std::size_t>(part.count);
    if (part.error) return {static_cast<std::int64_t>(done), part.error};
  }
  return {static_cast<std::int64_t>(done), {}};
}

io_outcome read_from_others(io_turn& turn, io::buffer to) {
  operation op;
  op.code = opcode::read;
  op.events = POLLIN;
  op.data = to.data();
  op.size = to.size();
  return turn.run(op);
}

}  // namespace

io_outcome read_some(descriptor& from, io::buffer to, cancellation* stop) {
  io_turn turn(from, direction::reading, stop, reason_of(from, direction::reading));
  if (turn.error() || to.empty()) return {0, turn.error()};
  io_outcome outcome = from.is_socket() ? turn.receive(to) : read_from_others(turn, to);
  if (!outcome.error && outcome.count == 0) outcome.error = errc::eof;
  return outcome;
}

io_outcome write_some(descriptor& to, io::const_buffer from, cancellation* stop) {
  io_turn turn(to, direction::writing, stop, reason_of(to, direction::writing));
  if (turn.error() || from.empty()) return {0, turn.error()};
  operation op;
  describe_write(op, to, from);
  return turn.run(op);
}

io_outcome write_all(descriptor& to, io::const_buffer from, cancellation* stop) {
  io_turn turn(to, direction::writing, stop, reason_of(to, direction::writing));
  if (turn.error()) return {0, turn.error()};
  return write_rest(turn, to, from, 0);
}

io_outcome write_on(descriptor& to, io::const_buffer from, std::int64_t result) {
  io_turn turn(to, direction::writing, std::adopt_lock, reason_of(to, direction::writing));
  if (result < 0 && result != -EAGAIN) return outcome_of(result);
  return write_rest(turn, to, from, result > 0 ? static_cast<std::size_t>(result) : 0);
}

io_outcome write_all(descriptor& to, std::span<const io::const_buffer> from, cancellation* stop) {
  io_turn turn(to, direction::writing, stop, reason_of(to, direction::writing));
  io_outcome total{0, turn.error()};
  if (to.is_socket()) return total.error ? total : send_pieces(turn, from);
  for (std::size_t i = 0; i < from.size() && !total.error; ++i) {
    const io_outcome piece = write_rest(turn, to, from[i], 0);
    total = {total.count + piece.count, piece.error};
  }
  return total;
}

}  // namespace ringo::detail
