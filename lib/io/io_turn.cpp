#include "io/io_turn.hpp"

#include <cerrno>
#include <utility>

#include <poll.h>

#include <ringo/detail/explore_point.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>

#include "io/file_call.hpp"
#include "io/ready_wait.hpp"
#include "io/system_call.hpp"
#include "sched/cancellation.hpp"
#include "sched/current.hpp"
#include "sched/worker.hpp"

namespace ringo::detail {

io_turn::io_turn(descriptor& of, direction d, cancellation* stop, io_reason reason)
    : of_(of), side_(of.side_of(d)), stop_(stop), reason_(reason) {
  explore_point();
  worker* const w = current_worker();
  // A fiber whose calls never have to wait (it accepts from a long queue, it copies to
  // /dev/null) would keep its worker from all others.
  const bool others_turn = w != nullptr && w->calls_enough();
  if (others_turn) yield();
  if ((error_ = code_if_done(stop))) return;
  if (!side_.lock.try_take()) error_ = side_.lock.take(stop, *this);
}

io_turn::io_turn(descriptor& of, direction d, std::try_to_lock_t /*unused*/, io_reason reason)
    : of_(of), side_(of.sides_[static_cast<std::size_t>(d)]), stop_(nullptr), reason_(reason) {
  if (!side_.lock.try_take()) {
    error_ = std::make_error_code(std::errc::resource_unavailable_try_again);
  }
}

/// Not instrumented: reads another fiber's stack, which is at rest.
RINGO_NO_TSAN void io_turn::fetch() const noexcept {
  of_.fetch();
}

void io_turn::give_back() noexcept {
  if (also_ != nullptr) also_->give_back();
  end();
}

io_error io_turn::begin_call() noexcept {
  if (way() == direction::reading) side_.drained = false;
  return obstacle();
}

io_error io_turn::wait_for(std::uint32_t events, wait_patience& patience, io_holder* also) {
  if (const auto error = obstacle()) return error;
  operation readiness;
  readiness.fd = of_.fd_;
  readiness.events = events;
  also_ = also;
  const std::int64_t result = wait(readiness);
  also_ = nullptr;
  if (result >= 0 || patience.again(result, this)) return {};
  return outcome_of(result).error;
}

io_outcome io_turn::run_on_file(operation& op) {
  wait_patience patience;
  op.fd = of_.fd_;
  for (;;) {
    if (const auto error = obstacle()) return {0, error};
    const std::int64_t result = call_file(op, of_.file_, {&side_.slot, stop_, this});
    if (result >= 0 || !patience.again(result, this)) return outcome_of(result);
  }
}

io_outcome io_turn::run(operation& op) {
  if (of_.kind_ == descriptor_kind::file) return run_on_file(op);
  if (way() == direction::reading) side_.drained = false;
  wait_patience patience;
  op.fd = of_.fd_;
  op.in_shared_mode = of_.kind_ == descriptor_kind::shared_stream;
  for (;;) {
    if (const auto error = obstacle()) return {0, error};
    std::int64_t result = make_call(op);
    if (result != -EAGAIN) return outcome_of(result);
    result = wait(op);
    if (result >= 0 || !patience.again(result, this)) return outcome_of(result);
  }
}

/// Where to wait until the call can be tried again. Null: an operation does it.
poll_entry* io_turn::entry_unless(bool operations_do) const {
  const worker* const w = current_worker();
  if (w == nullptr || (operations_do && w->source().operations() != nullptr)) return nullptr;
  poll_entry* const known = side_.slot.entry.load();
  return RINGO_LIKELY(known != nullptr) ? known : &of_.make_entry();
}

/// With a poll_entry an edge that has come since the last try says that it is worth it. Whether a
/// short read has emptied a socket is sure of TCP alone, but behind urgent data (see
/// poll_entry::hung_up): others keep messages apart, or what came with a descriptor.
bool io_turn::would_wait(poll_entry* entry) const noexcept {
  if (entry == nullptr) return true;
  return of_.kind_ == descriptor_kind::tcp && entry->is_quiet(engine_generation());
}

std::int64_t io_turn::wait_in(poll_entry& entry) {
  // The second: close() has perhaps looked for the entry before it was there.
  if (entry.take_ready(side_.slot.way) || of_.is_closed()) return -EAGAIN;
  return wait_until_ready({entry, side_.slot.way, of_.fd_}, &side_.slot, stop_, reason_, this);
}

io_outcome io_turn::receive(io::buffer to) {
  const auto done = [&](std::int64_t result) {
    side_.drained = empties(result, to.size());
    return outcome_of(result);
  };
  // See ring.hpp.
  const bool operations_do = of_.kind_ != descriptor_kind::tcp;
  wait_patience patience;
  poll_entry* entry = nullptr;
  bool tries = true;
  // Good for one wait: this one takes the edge that the next one would rely on, even if it gives
  // up.
  if (RINGO_LIKELY(std::exchange(side_.drained, false))) {
    entry = entry_unless(operations_do);
    tries = !would_wait(entry);
  }
  for (;; tries = true) {
    if (const auto error = obstacle()) return {0, error};
    if (tries) {
      const std::int64_t result = receive_now(of_.fd_, to.data(), to.size(), 0);
      if (result != -EAGAIN) return done(result);
    }
    if (entry == nullptr) entry = entry_unless(operations_do);
    std::int64_t result = RINGO_LIKELY(entry != nullptr) ? wait_in(*entry) : -ENOSYS;
    if (RINGO_UNLIKELY(result != -EAGAIN)) result = receive_by_operation(to, result);
    if (result >= 0) return done(result);
    if (RINGO_UNLIKELY(!patience.again(result, this))) return outcome_of(result);
  }
}

/// Where there is no entry to wait in, or the wait has ended with `refused`: what else there is.
[[gnu::noinline]] std::int64_t io_turn::receive_by_operation(io::buffer to, std::int64_t refused) {
  const worker* const w = current_worker();
  if (refused == -ECANCELED || (w != nullptr && w->source().operations() == nullptr)) {
    return refused;
  }
  operation op;
  op.code = opcode::receive;
  op.events = POLLIN;
  op.fd = of_.fd_;
  op.data = to.data();
  op.size = to.size();
  return wait_by_operation(op);
}

std::int64_t io_turn::wait(operation& op) {
  poll_entry* const entry = entry_unless((op.events & POLLOUT) == 0);  // see ring.hpp
  if (entry == nullptr) return wait_by_operation(op);
  const std::int64_t result = wait_in(*entry);
  if (result == -EAGAIN || result == -ECANCELED) return result;
  // It could not be registered. A ring does without.
  const worker* const w = current_worker();
  return w != nullptr && w->source().operations() != nullptr ? poll_for(op) : result;
}

std::int64_t io_turn::wait_by_operation(operation& op) {
  // The kernel would do without the care that make_call() takes: of SIGPIPE, of a shared mode.
  if (op.code != opcode::write && !op.in_shared_mode) {
    const std::int64_t result = wait_for_operation(op, &side_.slot, stop_, reason_, this);
    if (result != -EAGAIN || op.code == opcode::poll) return result;
  }
  return poll_for(op);
}

/// A ring on an old kernel does not wait by itself on a non-blocking descriptor. A function of its
/// own, so that those that do wait by themselves have no second operation in their frame.
[[gnu::noinline]] std::int64_t io_turn::poll_for(const operation& op) {
  // It has come to a worker without a ring meanwhile: what is waited for there is another matter.
  const worker* const w = current_worker();
  if (w != nullptr && w->source().operations() == nullptr) return -EAGAIN;
  operation readiness;
  readiness.fd = op.fd;
  readiness.events = op.events;
  const std::int64_t waited = wait_for_operation(readiness, &side_.slot, stop_, reason_, this);
  return waited >= 0 ? -EAGAIN : waited;
}

}  // namespace ringo::detail
