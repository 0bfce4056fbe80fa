#include "net/message.hpp"

#include <cstddef>
#include <vector>

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <ringo/error.hpp>

namespace ringo::net::detail {
namespace {

io_outcome receive_from(
    socket& from, io::buffer to, cancellation* stop, sockaddr_storage* name, socklen_t* name_size) {
  io_turn turn(from.io, direction::reading, stop, io_reason::net_read);
  if (turn.error()) return {0, turn.error()};
  if (to.empty() && !from.is_datagram()) return {};
  iovec piece{to.data(), to.size()};
  msghdr message{};
  message.msg_name = name;
  message.msg_namelen = name != nullptr ? sizeof(*name) : 0;
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  operation op;
  op.code = opcode::receive_message;
  op.events = POLLIN;
  op.data = &message;
  io_outcome outcome = turn.run(op);
  if (!outcome.error && outcome.count == 0 && !from.is_datagram()) outcome.error = errc::eof;
  if (name_size != nullptr) *name_size = message.msg_namelen;
  return outcome;
}

io_outcome send_one(socket& by, io::const_buffer from, cancellation* stop, msghdr& message) {
  io_turn turn(by.io, direction::writing, stop, io_reason::net_write);
  if (turn.error()) return {0, turn.error()};
  iovec piece{const_cast<std::byte*>(from.data()), from.size()};  // the kernel only reads it
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  operation op;
  op.code = opcode::send_message;
  op.events = POLLOUT;
  op.flags = MSG_NOSIGNAL;
  op.data = &message;
  return turn.run(op);
}

}  // namespace

io_outcome receive(socket& from, io::buffer to, cancellation* stop, endpoint* sender) {
  if (sender == nullptr) return receive_from(from, to, stop, nullptr, nullptr);
  sockaddr_storage name{};
  socklen_t size = 0;
  const io_outcome outcome = receive_from(from, to, stop, &name, &size);
  if (!outcome.error && size > 0) *sender = endpoint_from(name, size);
  return outcome;
}

io_outcome send(socket& by,
                std::span<const io::const_buffer> pieces,
                cancellation* stop,
                const endpoint* to) {
  msghdr message{};
  sockaddr_storage name{};
  if (to != nullptr) {
    const auto size = address_for(by.family, *to, name);
    if (!size) return {0, size.error()};
    message.msg_name = &name;
    message.msg_namelen = *size;
  }
  if (pieces.size() == 1) return send_one(by, pieces.front(), stop, message);
  // A message cannot be sent in parts; it is small.
  std::vector<std::byte> whole;
  for (const auto& piece : pieces) whole.insert(whole.end(), piece.begin(), piece.end());
  return send_one(by, whole, stop, message);
}

}  // namespace ringo::net::detail
