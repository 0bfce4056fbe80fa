#include <array>

#include <ringo/detail/assert.hpp>

#include "fiber/sanitizer.hpp"
#include "source/ring.hpp"

/// From the completion queue to fibers that are ready.

namespace ringo::detail {
namespace {

bool is_operation(const ring_completion& completed) noexcept {
  return completed.id >= ring_id_end;
}

operation& operation_of(std::uint64_t ticket) noexcept {
  constexpr std::uint64_t address = ((std::uint64_t{1} << 48) - 1) & ~std::uint64_t{7};
  return *reinterpret_cast<operation*>(ticket & address);
}

}  // namespace

/// True: there may be more.
bool ring_engine::collect(fiber_queue& ended) noexcept {
  const bool kept = RINGO_UNLIKELY(faults_ != nullptr) && faults_->keeps_any();
  if (!queues_.completion_pending() && !kept) return false;
  // pairs with the store in take()
  if (reaping_.exchange(true, std::memory_order_acquire)) return false;
  std::array<ring_completion, batch_max> batch;
  const unsigned count = take(batch.data());
  for (unsigned i = 0; i < count; ++i) {
    if (!is_operation(batch[i])) continue;
    operation& op = operation_of(batch[i].id);
    sanitizer_acquire(&op);
    prefetch(op);
  }
  for (unsigned i = 0; i < count; ++i) {
    if (i + fetch_ahead < count && is_operation(batch[i + fetch_ahead])) {
      __builtin_prefetch(operation_of(batch[i + fetch_ahead].id).who, 1);
    }
    const ring_completion& completed = batch[i];
    if (!is_operation(completed)) continue;
    operation& op = operation_of(completed.id);
    RINGO_VERIFY(op.ticket == completed.id);
    complete(op, completed.result, ended);
  }
  return count == batch_max;
}

/// The caller has the try-lock, and has not any more afterwards.
unsigned ring_engine::take(ring_completion* batch) noexcept {
  unsigned count = queues_.peek(batch, batch_max);
  queues_.advance(count);
  if (RINGO_UNLIKELY(faults_ != nullptr)) count = faults_->disturb(batch, count, batch_max);
  unsigned operations = 0;
  for (unsigned i = 0; i < count; ++i) {
    if (is_operation(batch[i])) ++operations;
  }
  if (operations != 0) {
    expect_hand_over(operations);
    // relaxed: only who has the lock changes it
    completed_.store(completed_.load(std::memory_order_relaxed) + operations);
  }
  reaping_.store(false, std::memory_order_release);  // pairs with the exchange in collect()
  return count;
}

/// The operation may be gone afterwards.
void ring_engine::complete(operation& op, std::int32_t result, fiber_queue& ended) noexcept {
  if (RINGO_UNLIKELY(!abilities_.cancel_any)) {
    spin_guard guard(armed_lock_);
    armed_.erase(&op);
  }
  if (RINGO_UNLIKELY(faults_ != nullptr) && op.result != 0) {
    result = static_cast<std::int32_t>(op.result);
  }
  op.result = result;
  fiber* const who = op.who;
  if (op.let_go()) {
    ended.push(who);  // counted until handed_over()
  } else {
    handed_over(1);
  }
}

}  // namespace ringo::detail
