#pragma once

#include <cstddef>

namespace ringo::detail {

/// What stands at the other end of a socket, or else its own address: "127.0.0.1:8080", the path of
/// a Unix socket; "fd 7" where neither is known, or it is no socket. Never blocks.
void describe_socket(int fd, char* text, std::size_t size) noexcept;

}  // namespace ringo::detail
