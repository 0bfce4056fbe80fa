#include "io/turn.hpp"

#include <ringo/detail/assert.hpp>
#include <ringo/error.hpp>

#include "sched/park.hpp"
#include "sync/sync_cancel.hpp"

namespace ringo::detail {

struct turn::waiter : sync_waiter<std::uint32_t> {
  io_holder& holder;

  explicit waiter(io_holder& of) noexcept : holder(of) {}

  static void dropped(void* subject) noexcept {
    auto& self = static_cast<waiter&>(*static_cast<sync_waiter*>(subject));
    queue::dropped(subject);
    if (self.outcome == wait_outcome::granted) self.holder.give_back();
  }
  static constexpr park_kind kind{"io turn",
                                  &queue::after_wait,
                                  &queue::claim,
                                  &waiter::dropped,
                                  nullptr,
                                  nullptr,
                                  &waits_for<std::uint32_t>};
};

io_error turn::take(cancellation* stop, io_holder& holder) {
  waiter self(holder);
  if (stop == nullptr) {
    wait(self);
  } else if (const auto error = wait_unless(
                 *stop, queue_, self, &call_off<std::uint32_t>, [&] { return wait(self); })) {
    return error;
  }
  return self.outcome == wait_outcome::granted ? io_error() : io_error(errc::closed);
}

/// False: called off. Else granted, or closed.
bool turn::wait(waiter& self) {
  for (std::uint32_t word = queue_.load();;) {
    queue_.await_unlocked(word);
    if ((word & closed) != 0) return true;
    if ((word & held) == 0) {
      if (!queue_.change(word, word | held)) continue;
      self.outcome = wait_outcome::granted;
      return true;
    }
    if (queue_.try_lock(word)) {
      return queue_.wait(self, word, queue::place::back, waiter::kind) != wait_outcome::called_off;
    }
  }
}

bool turn::give_back_slow() noexcept {
  for (std::uint32_t word = queue_.load();;) {
    queue_.await_unlocked(word);
    RINGO_VERIFY((word & held) != 0);
    if ((word & queue::waiting) == 0) {
      if (queue_.change(word, word & ~held)) return (word & closed) != 0;
    } else if (queue_.try_lock(word)) {
      auto* const next = queue_.pop();
      fiber* const who = next->who;
      next->outcome = wait_outcome::granted;
      queue_.publish(held | (queue_.empty() ? 0 : queue::waiting));
      ready(who);
      return false;
    }
  }
}

bool turn::close() noexcept {
  const std::uint32_t word = queue_.lock();
  queue_.release_all(closed | (word & held), wait_outcome::refused);
  return (word & held) == 0;
}

}  // namespace ringo::detail
