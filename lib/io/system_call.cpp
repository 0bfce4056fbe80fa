#include "io/system_call.hpp"

#include <algorithm>
#include <cerrno>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/broken_pipe.hpp"
#include "io/shared_stream.hpp"

namespace ringo::detail {
namespace {

/// -1 with errno set, or a negative code of our own. errno is only read here: the fibers of a
/// thread share it, and ThreadSanitizer takes it for a race when they write it.
std::int64_t call(const operation& op) noexcept {
  const std::size_t size = std::min(op.size, call_size_max);
  switch (op.code) {
    case opcode::poll: {
      pollfd polled{op.fd, static_cast<short>(op.events), 0};
      const int count = ::poll(&polled, 1, 0);
      if (count > 0) return polled.revents;
      return count < 0 ? -1 : -EAGAIN;
    }
    case opcode::receive:
    case opcode::send: break;  // make_call() makes them
    case opcode::receive_message:
      return ::recvmsg(op.fd, static_cast<msghdr*>(op.data), op.flags | MSG_DONTWAIT);
    case opcode::send_message:
      return ::sendmsg(op.fd, static_cast<const msghdr*>(op.data), op.flags | MSG_DONTWAIT);
    case opcode::accept: return ::accept4(op.fd, nullptr, nullptr, op.flags);
    case opcode::read:
      if (op.in_shared_mode) return read_shared(op.fd, op.data, size);
      return op.offset < 0 ? ::read(op.fd, op.data, size)
                           : ::pread(op.fd, op.data, size, op.offset);
    case opcode::write:
      if (op.in_shared_mode) return write_shared(op.fd, op.data, size);
      return op.offset < 0 ? write_unsignaled(op.fd, op.data, size)
                           : ::pwrite(op.fd, op.data, size, op.offset);
    case opcode::sync: return op.flags == 1 ? ::fdatasync(op.fd) : ::fsync(op.fd);
  }
  __builtin_unreachable();
}

}  // namespace

std::int64_t make_call(const operation& op) noexcept {
  if (op.code == opcode::receive) return receive_now(op.fd, op.data, op.size, op.flags);
  if (op.code == opcode::send) return send_now(op.fd, op.data, op.size, op.flags);
  for (;;) {
    const std::int64_t result = call(op);
    if (result != -1) return result;
    if (errno != EINTR) return -errno;
  }
}

}  // namespace ringo::detail
