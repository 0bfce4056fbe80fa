#pragma once

#include <span>

#include <ringo/io/buffer.hpp>
#include <ringo/net/endpoint.hpp>

#include "net/socket.hpp"

namespace ringo::net::detail {

/// Reads one message, or from a stream what there is. Empty ones are the end of the stream, but for
/// datagrams. `sender`, which may be null, is who it is from; nowhere: it has no name.
io_outcome receive(socket& from, io::buffer to, cancellation* stop, endpoint* sender);

/// Sends all pieces as one message; `to` is null for whom the socket is connected to.
io_outcome send(socket& by,
                std::span<const io::const_buffer> pieces,
                cancellation* stop,
                const endpoint* to);

}  // namespace ringo::net::detail
