#include "io/ready_wait.hpp"

#include <cerrno>
#include <cstddef>

#include "fiber/sanitizer.hpp"
#include "io/describe_socket.hpp"
#include "sched/current.hpp"
#include "sched/held_mutexes.hpp"
#include "sched/park.hpp"
#include "sched/scheduler.hpp"
#include "sched/worker_switch.hpp"

namespace ringo::detail {
namespace {

/// In a frame of its own: most waits have none.
struct ready_listener : cancellation::listener {
  const ready_target& target;

  explicit ready_listener(const ready_target& of) noexcept : target(of) { fire = &announce; }

  static void announce(cancellation::listener& l, cancellation::walk& found) noexcept {
    const ready_target& of = static_cast<ready_listener&>(l).target;
    if (fiber* who = call_off(of.entry, of.way)) found.woken.push(who);
  }
};

struct ready_wait {
  const ready_target target;  // a copy: whoever looks at a parked fiber finds it in one place
  fiber& who;
  ready_listener* const listener;  // null: there is no cancellation
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

[[gnu::always_inline]] inline std::int64_t wait(worker& here,
                                                const ready_target& target,
                                                ready_listener* listener,
                                                io_reason reason,
                                                io_holder* holder) {
  ready_wait self{target, *here.current(), listener, holder};
  sanitizer_release(&self);
  const mutex_watch watch;
  here.park(io_kinds<ready_wait>[static_cast<std::size_t>(reason)], &self);
  sanitizer_acquire(&self);
  return -EAGAIN;
}

[[gnu::noinline]] std::int64_t wait_listening(worker& here,
                                              const ready_target& target,
                                              cancellation& stop,
                                              io_reason reason,
                                              io_holder* holder) {
  ready_listener listener(target);
  if (!stop.add(listener)) return -ECANCELED;
  const std::int64_t result = wait(here, target, &listener, reason, holder);
  stop.remove(listener);
  return result;
}

}  // namespace

std::int64_t wait_until_ready(const ready_target& target,
                              io_slot* slot,
                              cancellation* stop,
                              io_reason reason,
                              io_holder* holder) {
  worker& here = *current_worker();
  here.refuse_if_forked();  // the set is the parent's
  // A fiber whose run is over parks for good; it must not register anything with its engine.
  const int refused =
      here.abandoned() ? 0 : here.source().enlist(target.entry, target.fd, target.once);
  if (RINGO_UNLIKELY(refused != 0)) return refused;
  if (slot != nullptr) slot->cover();
  if (stop != nullptr) return wait_listening(here, target, *stop, reason, holder);
  return wait(here, target, nullptr, reason, holder);
}

void drop_entry(poll_entry& entry) noexcept {
  const worker* const here = current_worker();
  if (here != nullptr && !here->abandoned()) return give_up(entry);
  bool visited = false;
  scheduler::instance().visit([&](scheduler&) {
    give_up(entry);
    visited = true;
  });
  if (visited) return;
  // The engine is gone, or about to go, or nobody looks at it any more.
  {
    spin_guard guard(entry.lock);
    entry.leave_set();
  }
  give_back(entry);
}

}  // namespace ringo::detail
