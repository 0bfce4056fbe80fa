#pragma once

#include <span>
#include <system_error>

#include <ringo/io/buffer.hpp>
#include <ringo/net/endpoint.hpp>
#include <ringo/net/udp.hpp>
#include <ringo/result.hpp>

#include "net/socket.hpp"

namespace ringo::net::detail {

/// Reads one message, or from a stream what there is. Empty ones are the end of the stream, but for
/// datagrams.
io_outcome receive(socket& from, io::buffer to, cancellation* stop);
/// Sends all pieces as one message to whom the socket is connected to.
io_outcome send(socket& by, std::span<const io::const_buffer> pieces, cancellation* stop);

/// What read_from() and write_to() do; the handle may be nil.
result<received> receive_from(cancellation* stop, socket* from, io::buffer to);
std::error_code send_to(cancellation* stop, socket* by, io::const_buffer from, const endpoint& to);

}  // namespace ringo::net::detail
