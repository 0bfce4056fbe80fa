#pragma once

#include <cstddef>
#include <cstdint>

#include "io/descriptor.hpp"

/// The system calls that move bytes between descriptors. Each returns how many, 0 at the end, or
/// -errno; EINTR is not seen. None waits for a socket or pipe that is non-blocking.

namespace ringo::io::detail {

enum class end_kind : std::uint8_t { other, file, socket, pipe };

/// What a descriptor is, if the calls below can be made on it and will not wait.
end_kind kind_of(ringo::detail::descriptor& d) noexcept;

/// How much a file has from its position on. 0: it does not say, as those of /proc.
std::uint64_t rest_of_file(ringo::detail::descriptor& file) noexcept;

/// sendfile(2), from the file's position. Blocks for the disk.
std::int64_t send_file(int file, int socket, std::size_t size) noexcept;
/// copy_file_range(2), from position to position. Blocks for the disk.
std::int64_t copy_range(int from, int to, std::size_t size) noexcept;
/// splice(2). `to` is what gets the bytes: where nobody reads them any more there is EPIPE, and
/// SIGPIPE only as for a write; see base/broken_pipe.hpp.
std::int64_t splice_to(int from, int to, std::size_t size, end_kind target) noexcept;

/// Says of an error that the call cannot be made for these two, or not now; nothing was moved.
bool is_refusal(std::int64_t result) noexcept;

/// There is something to read, but no room for it.
bool only_lacks_room(int from, int to) noexcept;

}  // namespace ringo::io::detail
