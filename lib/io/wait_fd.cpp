#include <ringo/io/wait_fd.hpp>

#include <cerrno>
#include <cstdint>

#include <poll.h>

#include <ringo/context.hpp>
#include <ringo/detail/explore_point.hpp>

#include "io/io_wait.hpp"
#include "io/ready_wait.hpp"
#include "io/system_call.hpp"
#include "sched/cancellation.hpp"
#include "sched/current.hpp"
#include "sched/worker.hpp"
#include "source/poll_entry.hpp"

namespace ringo::io {
namespace {

using namespace ringo::detail;

std::error_code system_error(std::int64_t negative) noexcept {
  return {static_cast<int>(-negative), std::system_category()};
}

std::int64_t wait_once(operation& op, cancellation* stop) {
  const worker* const w = current_worker();
  const bool has_ring = w != nullptr && w->source().operations() != nullptr;
  const bool writes = (op.events & POLLOUT) != 0;  // see ring.hpp
  if (w == nullptr || (has_ring && !writes)) {
    return wait_for_operation(op, nullptr, stop, io_reason::io_wait, nullptr);
  }
  // Nothing may be left behind in the engine: the descriptor is another's.
  poll_entry& entry = *take_poll_entry();
  const auto way = (op.events & POLLIN) != 0 ? poll_entry::reading : poll_entry::writing;
  const std::int64_t result =
      wait_until_ready({entry, way, op.fd, op.events}, nullptr, stop, io_reason::io_wait, nullptr);
  drop_entry(entry);
  const bool refused = result != -EAGAIN && result != -ECANCELED;
  if (!refused || !has_ring) return result;
  return wait_for_operation(op, nullptr, stop, io_reason::io_wait, nullptr);
}

result<readiness> wait_unless(cancellation* stop, int fd, readiness wanted) {
  explore_point();
  operation op;
  op.code = opcode::poll;
  op.fd = fd;
  op.events = (any(wanted & readable) ? POLLIN : 0U) | (any(wanted & writable) ? POLLOUT : 0U);
  if (op.events == 0) return system_error(-EINVAL);
  wait_patience patience;
  for (;;) {
    if (const auto code = code_if_done(stop)) return code;
    const std::int64_t now = make_call(op);
    if (now > 0) {
      if ((now & POLLNVAL) != 0) return system_error(-EBADF);
      if ((now & (POLLHUP | POLLERR)) != 0) return wanted;
      return ((now & POLLIN) != 0 ? readable : readiness::none) |
             ((now & POLLOUT) != 0 ? writable : readiness::none);
    }
    if (now != -EAGAIN) return system_error(now);
    const std::int64_t waited = wait_once(op, stop);
    if (waited < 0 && !patience.again(waited, nullptr)) return system_error(waited);
  }
}

}  // namespace

result<readiness> wait_fd(const ringo::context& ctx, int fd, readiness wanted) {
  return wait_unless(cancellation_of(ctx), fd, wanted);
}

result<readiness> wait_fd(int fd, readiness wanted) {
  return wait_unless(nullptr, fd, wanted);
}

}  // namespace ringo::io
