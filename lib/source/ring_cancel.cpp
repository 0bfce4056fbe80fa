#include <array>

#include "source/ring.hpp"

/// How operations are cancelled; the steps are in ring.hpp.

namespace ringo::detail {
namespace {

constexpr auto cancel_interval = std::chrono::milliseconds(10);
constexpr unsigned letters_max = 64;  // that a stranger serves at a time, by a system call each

/// But for the letter's hold.
bool has_ended(const operation& op) noexcept {
  return op.holds.load() == (operation::called_off | 1U);
}

}  // namespace

fiber* ring_engine::cancel(operation& op) noexcept {
  if (!op.call_off()) return nullptr;
  if (owned_by_caller() && queue_cancel(op.ticket)) return op.let_go() ? op.who : nullptr;
  post(op);
  return nullptr;
}

/// Takes over the canceller's hold.
void ring_engine::post(operation& op) noexcept {
  mail_.push(op);
  if (!owned_by_caller()) wake();  // others that were put back may lie there already
}

/// The cancellation has been handed in. The operation may be gone afterwards.
void ring_engine::answered(operation& op, fiber_queue& ended) noexcept {
  fiber* const who = op.who;
  if (!op.let_go()) return;
  expect_hand_over(1);
  ended.push(who);  // counted until handed_over()
}

/// By the owner.
void ring_engine::serve_mail(fiber_queue& ended) noexcept {
  if (mail_.empty()) return;
  expect_hand_over(1);  // what is neither mail nor queued
  operation* op = mail_.take_all();
  while (op != nullptr) {
    operation* next = op->mail;
    if (!queue_cancel(op->ticket)) {
      mail_.push(*op);
    } else {
      answered(*op, ended);
    }
    op = next;
  }
  handed_over(1);
}

/// By another thread: the owner may be busy for long. True: there is more that can be served.
bool ring_engine::serve_mail_for_owner(fiber_queue& ended) noexcept {
  if (RINGO_LIKELY(mail_.empty()) || !abilities_.sync_cancel) return false;
  expect_hand_over(1);  // what is neither mail nor queued
  operation* op = mail_.take_all();
  bool answered_any = false;
  bool more = false;
  for (unsigned served = 0; op != nullptr; ++served) {
    operation* next = op->mail;
    const bool full = served >= letters_max;
    if (!full && (cancel_at_once(queues_, op->ticket) == 0 || has_ended(*op))) {
      answered_any = true;
      answered(*op, ended);
    } else {
      more |= full && answered_any;
      // The owner was told when it came. It may have looked in vain since.
      mail_.push(*op);
      rouse();
    }
    op = next;
  }
  handed_over(1);
  return more;
}

void ring_engine::cancel_all(fiber_queue& ended) noexcept {
  own();
  while (in_kernel()) {
    serve(ended);
    cancel_armed();
    queues_.submit_and_wait(1, steady_clock::now() + cancel_interval);
    collect(ended);
  }
  serve(ended);  // letters to what has ended
}

/// Asks for the end of everything that the kernel has or will have taken by then. Some of it if
/// there is no room, others the next time.
void ring_engine::cancel_armed() noexcept {
  if (abilities_.cancel_any) {
    if (make_room(1)) queues_.push(cancel_any_entry(abilities_));
    return;
  }
  // Fewer than these are beyond cancelling: only what the kernel's threads are busy with.
  std::array<std::uint64_t, 64> tickets;
  std::size_t count = 0;
  {
    spin_guard guard(armed_lock_);
    for (const operation* op = armed_.front(); op != nullptr && count < tickets.size();
         op = op->next) {
      tickets[count++] = op->ticket;
    }
  }
  for (std::size_t i = 0; i < count && make_room(1); ++i) {
    queues_.push(cancel_entry(tickets[i], abilities_));
  }
}

}  // namespace ringo::detail
