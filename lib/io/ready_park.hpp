#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "fiber/sanitizer.hpp"
#include "io/describe_socket.hpp"
#include "io/ready_wait.hpp"
#include "sched/current.hpp"
#include "sched/held_mutexes.hpp"
#include "sched/park.hpp"
#include "sched/worker_switch.hpp"

/// Steps 2 and 3 of ready_wait.hpp, for whoever has done step 1; inlined.

namespace ringo::detail {

struct ready_wait {
  const ready_target target;  // a copy: whoever looks at a parked fiber finds it in one place
  fiber& who;
  cancellation::listener* const listener;  // null: there is no cancellation
  io_holder* const holder;
  bool shut_out = false;  // its run is over: it was not put into the word, nor counted

  static void after(void* subject) noexcept {
    auto& self = *static_cast<ready_wait*>(subject);
    sanitizer_acquire(&self);  // what the fiber wrote, on this thread
    fiber& who = self.who;
    worker& here = *current_worker();
    if (RINGO_UNLIKELY(here.abandoned())) {
      self.shut_out = true;  // claim() comes next
      return;
    }
    engine& source = here.source();
    source.wait_begins();
    sanitizer_release(&self);
    if (RINGO_LIKELY(self.target.entry.wait(self.target.way, who))) return;  // it may have gone on
    source.wait_declined();
    ready(&who);
  }

  /// The fiber never goes on.
  void abandon() noexcept {
    if (listener != nullptr) cancellation::forget(*listener);
    if (target.once != 0) drop_entry(target.entry);
    if (holder != nullptr) holder->give_back();
  }

  /// Not counted: the run whose waits are counted is over.
  static bool claim(void* subject) noexcept {
    auto& self = *static_cast<ready_wait*>(subject);
    if (!self.shut_out && !self.target.entry.withdraw(self.target.way, self.who)) return false;
    self.abandon();
    return true;
  }
  static void dropped(void* subject) noexcept { static_cast<ready_wait*>(subject)->abandon(); }
  static durability outside(void* /*subject*/) noexcept { return durability::outside; }
  /// Not instrumented: reads another fiber's stack, which is held.
  RINGO_NO_TSAN static void describe(void* subject, char* text, std::size_t size) noexcept {
    describe_socket(static_cast<ready_wait*>(subject)->target.fd, text, size);
  }
  /// Not instrumented, as describe().
  RINGO_NO_TSAN static void fetch(void* subject) noexcept {
    if (const io_holder* holder = static_cast<ready_wait*>(subject)->holder) holder->fetch();
  }

  static constexpr park_kind kind(const char* reason) noexcept {
    return {reason,
            &ready_wait::after,
            &ready_wait::claim,
            &ready_wait::dropped,
            &ready_wait::outside,
            &ready_wait::describe,
            nullptr,
            &ready_wait::fetch};
  }
};

/// Returns -EAGAIN.
[[gnu::always_inline]] inline std::int64_t park_until_ready(worker& here,
                                                            const ready_target& target,
                                                            cancellation::listener* listener,
                                                            io_reason reason,
                                                            io_holder* holder) {
  ready_wait self{target, *here.current(), listener, holder};
  sanitizer_release(&self);
  const mutex_watch watch;
  here.park(io_kinds<ready_wait>[static_cast<std::size_t>(reason)], &self);
  sanitizer_acquire(&self);
  return -EAGAIN;
}

}  // namespace ringo::detail
