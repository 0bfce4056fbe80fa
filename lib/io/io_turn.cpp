#include "io/io_turn.hpp"

#include <poll.h>

#include <ringo/error.hpp>
#include <ringo/go.hpp>

#include "io/file_call.hpp"
#include "sched/cancellation.hpp"

namespace ringo::detail {

/// What the constructor has not done at once.
void io_turn::take(bool others_first) {
  if (others_first) yield();
  if (stop_ != nullptr && (error_ = code_if_done(stop_))) return;
  if (of_.is_closed()) {
    error_ = errc::closed;
    return;
  }
  if (stop_ == nullptr) {
    side_.turn.lock();
  } else if ((error_ = side_.turn.lock_unless(stop_))) {
    return;
  }
  begin_use();
}

io_turn::io_turn(descriptor& of, direction d, std::try_to_lock_t /*unused*/, io_reason reason)
    : of_(of), side_(of.sides_[static_cast<std::size_t>(d)]), stop_(nullptr), reason_(reason) {
  if (!side_.turn.try_lock()) {
    error_ = std::make_error_code(std::errc::resource_unavailable_try_again);
  } else {
    begin_use();
  }
}

void io_turn::leave_closed() noexcept {
  side_.turn.unlock();
  error_ = errc::closed;
}

/// Not instrumented: reads another fiber's stack, which is at rest.
RINGO_NO_TSAN void io_turn::fetch() const noexcept {
  __builtin_prefetch(&of_, 1);
  for (const descriptor::side& s : of_.sides_) __builtin_prefetch(&s, 1);
}

void io_turn::give_back() noexcept {
  if (also_ != nullptr) also_->give_back();
  end();
}

io_error io_turn::begin_call() noexcept {
  if (way() == direction::reading) of_.drained_ = false;
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
  if (way() == direction::reading) of_.drained_ = false;
  wait_patience patience;
  op.fd = of_.fd_;
  op.in_shared_mode = of_.kind_ == descriptor_kind::shared_stream;
  for (;;) {
    if (RINGO_UNLIKELY(!is_clear())) {
      if (const auto error = obstacle()) return {0, error};
    }
    std::int64_t result = make_call(op);
    if (result != -EAGAIN) return outcome_of(result);
    result = wait(op);
    if (result >= 0 || !patience.again(result, this)) return outcome_of(result);
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
