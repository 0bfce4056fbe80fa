#include "net/message.hpp"

#include <cerrno>
#include <cstddef>
#include <vector>

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <ringo/error.hpp>

namespace ringo::net::detail {
namespace {

io_outcome receive_message(socket& from, io::buffer to, cancellation* stop, msghdr& message) {
  io_turn turn(from.io, direction::reading, stop, io_reason::net_read);
  if (turn.error()) return {0, turn.error()};
  if (to.empty() && !from.is_datagram()) return {};
  iovec piece{to.data(), to.size()};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  operation op;
  op.code = opcode::receive_message;
  op.events = POLLIN;
  op.data = &message;
  io_outcome outcome = turn.run(op);
  if (!outcome.error && outcome.count == 0 && !from.is_datagram()) outcome.error = errc::eof;
  return outcome;
}

io_outcome send_message(socket& by, cancellation* stop, msghdr& message) {
  io_turn turn(by.io, direction::writing, stop, io_reason::net_write);
  if (turn.error()) return {0, turn.error()};
  operation op;
  op.code = opcode::send_message;
  op.events = POLLOUT;
  op.flags = MSG_NOSIGNAL;
  op.data = &message;
  return turn.run(op);
}

/// To a Unix socket that this one is not connected to. The system says that there is room as long
/// as this socket has some, whatever the other's queue.
std::error_code send_when_there_is_room(socket& by, cancellation* stop, const msghdr& message) {
  for (patience pause;;) {
    {
      io_turn turn(by.io, direction::writing, stop, io_reason::net_write);
      if (turn.error()) return turn.error();
      operation op;
      op.code = opcode::poll;
      op.events = POLLOUT;
      if (const auto error = turn.run(op).error) return error;
      const auto error = by.io.with_number([&](int fd) {
        for (;;) {
          if (::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return 0;
          if (errno != EINTR) return errno;
        }
      });
      if (error != std::error_code(EAGAIN, std::system_category())) return error;
    }
    if (const auto done = pause.wait(stop)) return done;
  }
}

/// The kernel only reads it.
iovec readable(io::const_buffer from) noexcept {
  return {const_cast<std::byte*>(from.data()), from.size()};
}

}  // namespace

io_outcome receive(socket& from, io::buffer to, cancellation* stop) {
  msghdr message{};
  return receive_message(from, to, stop, message);
}

io_outcome send(socket& by, std::span<const io::const_buffer> pieces, cancellation* stop) {
  if (by.is_datagram() && !by.connected) {
    return {0, std::make_error_code(std::errc::destination_address_required)};
  }
  msghdr message{};
  iovec piece{};
  // A message cannot be sent in parts; it is small.
  std::vector<std::byte> whole;
  if (pieces.size() == 1) {
    piece = readable(pieces.front());
  } else {
    for (const auto& each : pieces) whole.insert(whole.end(), each.begin(), each.end());
    piece = readable(whole);
  }
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  return send_message(by, stop, message);
}

result<received> receive_from(cancellation* stop, socket* from, io::buffer to) {
  if (from == nullptr) return nil_handle();
  sockaddr_storage name{};
  msghdr message{};
  message.msg_name = &name;
  message.msg_namelen = sizeof(name);
  const io_outcome outcome = receive_message(*from, to, stop, message);
  if (outcome.error) return outcome.error.code();
  const bool is_named = outcome.count > 0 || from->is_datagram();
  return received{static_cast<std::size_t>(outcome.count),
                  is_named ? endpoint_from(name, message.msg_namelen) : endpoint{}};
}

std::error_code send_to(cancellation* stop, socket* by, io::const_buffer from, const endpoint& to) {
  if (by == nullptr) return nil_handle();
  if (by->connected) return std::make_error_code(std::errc::already_connected);
  sockaddr_storage name{};
  const auto size = address_for(by->family, to, name);
  if (!size) return size.error();
  iovec piece = readable(from);
  msghdr message{};
  message.msg_name = &name;
  message.msg_namelen = *size;
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (by->family == AF_UNIX) return send_when_there_is_room(*by, stop, message);
  return send_message(*by, stop, message).error;
}

}  // namespace ringo::net::detail
