#include "io/io_wait.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>

#include <poll.h>
#include <unistd.h>

#include <ringo/go.hpp>

#include "fiber/sanitizer.hpp"
#include "io/describe_socket.hpp"
#include "io/kept_meanwhile.hpp"
#include "sched/current.hpp"
#include "sched/park.hpp"
#include "sched/scheduler.hpp"
#include "sched/worker.hpp"
#include "source/engine.hpp"
#include "source/wake_event.hpp"

namespace ringo::detail {
namespace {

/// By the worker that the fiber was on.
carrier& carrier_of(const operation& op) noexcept {
  if (op.call != nullptr) return scheduler::instance().files();
  return *current_worker()->source().operations();
}

/// Where a cancellation finds the operation. In a frame of its own: most waits have none.
struct io_listener : cancellation::listener {
  operation& op;
  cancellation& stop;

  io_listener(operation& waits_for, cancellation& listens_to) noexcept
      : op(waits_for), stop(listens_to) {
    fire = &call_off;
  }

  static void call_off(cancellation::listener& l, cancellation::walk& found) noexcept {
    if (fiber* who = cancel_listed(static_cast<io_listener&>(l).op)) found.woken.push(who);
  }
};

struct io_wait {
  operation& op;
  io_slot* const slot;
  io_listener* const listener;  // null: there is no cancellation
  io_holder* const holder;

  /// False: it would have to be cancelled at once.
  bool list() noexcept {
    if (slot != nullptr) {
      spin_guard guard(slot->lock);
      if (slot->closed || (op.home != nullptr && !slot->covered())) return false;
      slot->listed = &op;
    }
    return listener == nullptr || listener->stop.add(*listener);
  }

  void unlist() noexcept {
    if (slot != nullptr) {
      spin_guard guard(slot->lock);
      slot->listed = nullptr;
    }
    if (listener != nullptr) listener->stop.remove(*listener);
  }

  static void after(void* subject) noexcept {
    auto& self = *static_cast<io_wait*>(subject);
    sanitizer_acquire(&self);  // what the fiber wrote, on this thread
    operation& op = self.op;
    fiber* const who = op.who;
    carrier_of(op).start(op);
    // This has a hold: nobody is made ready by the cancel.
    if (!self.list()) static_cast<void>(op.home->cancel(op));
    sanitizer_release(&self);
    if (op.let_go()) ready(who);
  }

  /// The fiber never goes on.
  void abandon() noexcept {
    if (slot != nullptr) {
      spin_guard guard(slot->lock);
      slot->listed = nullptr;
    }
    if (listener != nullptr) cancellation::forget(*listener);
    if (op.code == opcode::accept && op.result >= 0) ::close(static_cast<int>(op.result));
    if (holder != nullptr) holder->give_back();
  }

  static bool claim(void* subject) noexcept {
    auto& self = *static_cast<io_wait*>(subject);
    // Null: it completes by itself, or cannot, since its engine's thread never comes back.
    if (self.op.home->cancel(self.op) == nullptr) return false;
    self.abandon();
    return true;
  }
  static void dropped(void* subject) noexcept { static_cast<io_wait*>(subject)->abandon(); }
  static durability outside(void* /*subject*/) noexcept { return durability::outside; }
  /// Not instrumented: reads another fiber's stack, which is held.
  RINGO_NO_TSAN static void describe(void* subject, char* text, std::size_t size) noexcept {
    describe_socket(static_cast<io_wait*>(subject)->op.fd, text, size);
  }

  /// Not instrumented, as describe().
  RINGO_NO_TSAN static void fetch(void* subject) noexcept {
    const auto& self = *static_cast<io_wait*>(subject);
    __builtin_prefetch(self.slot, 1);
    if (self.holder != nullptr) self.holder->fetch();
  }

  static constexpr park_kind kind(const char* reason) noexcept {
    return {reason,
            &io_wait::after,
            &io_wait::claim,
            &io_wait::dropped,
            &io_wait::outside,
            &io_wait::describe,
            nullptr,
            &io_wait::fetch};
  }

  std::int64_t poll_on_thread() noexcept;
  [[gnu::always_inline]] std::int64_t wait(io_reason reason);
};

/// The least number of milliseconds that reaches the deadline; -1: there is none.
int poll_timeout(time_point deadline) noexcept {
  if (deadline == never) return -1;
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(time_left(deadline)).count();
  return static_cast<int>(std::min<long>(ms, INT_MAX));
}

std::int64_t io_wait::poll_on_thread() noexcept {
  wake_event bell;
  if (const auto error = bell.open()) return -error.value();
  op.bell = &bell;
  if (list()) {
    const time_point deadline = slot != nullptr ? slot->deadline.load() : never;
    std::array<pollfd, 2> polled{
        {{op.fd, static_cast<short>(op.events), 0}, {bell.fd(), POLLIN, 0}}};
    ::poll(polled.data(), polled.size(), poll_timeout(deadline));
  }
  unlist();
  return -EAGAIN;
}

inline std::int64_t io_wait::wait(io_reason reason) {
  op.holds.store(2, std::memory_order_relaxed);  // relaxed: published by what lists it
  worker* const w = current_worker();
  if (w == nullptr) {
    op.home = nullptr;
    return poll_on_thread();
  }
  op.who = w->current();
  if (slot != nullptr) slot->cover();
  sanitizer_release(this);
  park(io_kinds<io_wait>[static_cast<std::size_t>(reason)], this);
  sanitizer_acquire(this);
  unlist();
  return op.result;
}

[[gnu::noinline]] std::int64_t wait_listening(
    operation& op, io_slot* slot, cancellation& stop, io_reason reason, io_holder* holder) {
  io_listener listener(op, stop);
  if (current_worker() != nullptr) stop.prepare_add();
  return io_wait{op, slot, &listener, holder}.wait(reason);
}

}  // namespace

std::int64_t wait_for_operation(
    operation& op, io_slot* slot, cancellation* stop, io_reason reason, io_holder* holder) {
  if (stop != nullptr) return wait_listening(op, slot, *stop, reason, holder);
  return io_wait{op, slot, nullptr, holder}.wait(reason);
}

/// One that may pass.
bool wait_patience::is_shortage(std::int64_t result, io_holder* holder) {
  if ((result != -ENOBUFS && result != -ENOMEM) || ++shortages_ > shortages_max) return false;
  const kept_meanwhile kept(holder);
  yield();
  return true;
}

}  // namespace ringo::detail
