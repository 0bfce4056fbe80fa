#include <ringo/detail/select_core.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>

#include <ringo/error.hpp>

#include "chan/chan_steps.hpp"
#include "chan/select_frame.hpp"
#include "sched/park.hpp"
#include "sched/random.hpp"

namespace ringo::detail {

struct select_waits {
  /// Not instrumented: reads the frame that this thread wrote a moment ago.
  RINGO_NO_TSAN static void after(void* subject) noexcept {
    static_cast<select_frame*>(subject)->unlock_all();
  }
  static bool claim(void* subject) noexcept {
    auto& self = *static_cast<select_frame*>(subject);
    if (!self.decide(0)) return false;
    leave_all(self, select_frame::undecided);
    return true;
  }
  /// Woken by one channel, it still stands in the queues of the others, which may outlive the run.
  static void dropped(void* subject) noexcept {
    auto& self = *static_cast<select_frame*>(subject);
    leave_all(self, self.decision.load());
  }
  static void leave_all(select_frame& self, std::uint32_t but) noexcept {
    for (std::uint32_t i = 0; i < self.ops.size(); ++i) {
      // Null: a nil channel, or one that is gone or has dropped the waiter. That of the winner may
      // be gone without having told.
      chan_core* owner = i == but ? nullptr : self.waiters[i].owner.load();
      if (owner != nullptr) self.leave(self.waiters[i], *owner);
    }
  }
  static durability durable(void* subject) noexcept {
    const auto& self = *static_cast<select_frame*>(subject);
    const bool outside = std::any_of(self.ops.begin(), self.ops.end(), [](const select_op& op) {
      return op.channel != nullptr && !op.channel->is_bubbled();
    });
    return outside ? durability::shared : durability::durable;
  }
  /// Not instrumented: every worker stands still.
  RINGO_NO_TSAN static void waits_for(void* subject, wait_objects& found) noexcept {
    const auto& self = *static_cast<select_frame*>(subject);
    for (std::uint32_t i = 0; i < self.channels_used; ++i) self.channels[i]->note_in(found);
  }
  static constexpr park_kind kind{"select",
                                  &select_waits::after,
                                  &select_waits::claim,
                                  &select_waits::dropped,
                                  &select_waits::durable,
                                  nullptr,
                                  &select_waits::waits_for};
};

namespace {

bool seems_ready(const select_op& op) noexcept {
  if (op.channel == nullptr) return false;
  return op.sending ? !op.channel->send_would_block() : !op.channel->recv_would_block();
}

/// Runs one of the cases that seem ready, each with the same probability; no_case if none could be
/// run after all. Draws only when there is a choice: a random order of all cases is a branch that
/// the CPU cannot predict, even if no more than one case is ever ready.
template <typename Attempt>
[[gnu::always_inline]] inline std::size_t run_ready(std::span<select_op> ops,
                                                    std::uint32_t* room,
                                                    Attempt attempt) {
  std::uint32_t ready = 0;
  for (std::uint32_t i = 0; i < ops.size(); ++i) {
    room[ready] = i;
    ready += seems_ready(ops[i]) ? 1 : 0;
  }
  while (ready != 0) {
    const std::uint32_t drawn = ready == 1 ? 0 : random_below(ready);
    const std::uint32_t chosen = room[drawn];
    room[drawn] = room[--ready];
    const chan_status status = attempt(ops[chosen]);
    if (status == chan_status::would_block) continue;
    ops[chosen].ok = status == chan_status::done;
    return chosen;
  }
  return no_case;
}

RINGO_NOINLINE std::uint32_t sort_many(chan_core** channels, std::uint32_t count) noexcept {
  std::sort(channels, channels + count, std::greater<>());
  return static_cast<std::uint32_t>(std::unique(channels, channels + count) - channels);
}

RINGO_NOINLINE void shuffle(std::span<std::uint32_t> order) noexcept {
  for (std::uint32_t i = 0; i < order.size(); ++i) {
    const std::uint32_t j = i == 0 ? 0 : random_below(i + 1);
    order[i] = order[j];
    order[j] = i;
  }
}

}  // namespace

[[gnu::always_inline]] inline void select_frame::sort_channels() noexcept {
  std::uint32_t used = 0;
  for (const select_op& op : ops) {
    channels[used] = op.channel;
    used += op.channel != nullptr ? 1 : 0;
  }
  if (RINGO_LIKELY(used == 2)) {
    chan_core* const one = channels[0];
    chan_core* const other = channels[1];
    channels[0] = std::max(one, other);
    channels[1] = std::min(one, other);
    channels_used = one == other ? 1 : 2;
  } else {
    channels_used = sort_many(channels, used);
  }
  repeated = channels_used != used;
}

[[gnu::always_inline]] inline std::size_t select_frame::try_each(std::span<select_op> ops,
                                                                 std::uint32_t* room) {
  return run_ready(ops, room, [](select_op& op) {
    return op.sending ? op.channel->try_send(op.slot) : op.channel->try_recv(op.slot);
  });
}

void select_frame::lock_all() noexcept {
  for (chan_core* channel : std::span(channels, channels_used)) channel->lock_.lock();
}

RINGO_NO_TSAN void select_frame::unlock_all() noexcept {
  // After the last unlock the frame may be gone: take what the loop needs along.
  chan_core** const first = channels;
  for (chan_core** channel = first + channels_used; channel != first;) (*--channel)->lock_.unlock();
}

std::size_t select_frame::take_ready(fiber*& woken) noexcept {
  return run_ready(ops, room, [&](select_op& op) RINGO_NO_THREAD_SAFETY {
    return op.sending ? op.channel->send_now(op.slot, woken) : op.channel->recv_now(op.slot, woken);
  });
}

void select_frame::enqueue(std::uint32_t index, fiber* self) noexcept {
  select_op& op = ops[index];
  if (op.channel == nullptr) return;
  select_waiter& w = waiters[index];
  w.selecting = true;
  w.who = self;
  w.slot = op.slot;
  w.index = index;
  w.select = this;
  op.channel->enqueue(w, op.sending);
}

void select_frame::enqueue_all() noexcept {
  fiber* self = current_fiber();
  if (RINGO_LIKELY(!repeated)) {
    for (std::uint32_t i = 0; i < ops.size(); ++i) enqueue(i, self);
  } else {
    // Cases that stand in one queue are chosen in the order of the queue.
    const std::span order(room, ops.size());
    shuffle(order);
    for (const std::uint32_t i : order) enqueue(i, self);
  }
  for (chan_core* channel : std::span(channels, channels_used)) channel->lock_.prepare_handover();
}

void select_frame::dequeue_losers(std::uint32_t winner) noexcept {
  for (std::uint32_t i = 0; i < ops.size(); ++i) {
    chan_core* channel = ops[i].channel;
    // The lock must be taken even if the waiter has been dropped already: see the last paragraph
    // above.
    if (i != winner && channel != nullptr) leave(waiters[i], *channel);
  }
}

void select_frame::leave(waiter& w, chan_core& owner) noexcept {
  spin_guard guard(owner.lock_);
  if (w.linked) owner.remove(w, ops[w.index].sending);
}

[[gnu::always_inline]] inline std::size_t select_frame::run(bool may_block) {
  sort_channels();
  fiber* woken = nullptr;
  lock_all();
  const std::size_t taken = take_ready(woken);
  if (taken != no_case || !may_block) {
    unlock_all();
    if (woken != nullptr) ready(woken);
    return taken;
  }
  enqueue_all();
  park(select_waits::kind, this);
  const std::uint32_t winner = decision.load();
  dequeue_losers(winner);
  ops[winner].ok = waiters[winner].ok;
  return winner;
}

namespace {

/// With everything in one frame: what a fiber has on its stack while it is parked is what its next
/// run must fetch.
template <std::size_t Cases>
RINGO_NOINLINE std::size_t run_small(std::span<select_op> ops, bool may_block) {
  std::array<std::uint32_t, Cases> room;
  const std::size_t taken = select_frame::try_each(ops, room.data());
  if (taken != no_case) return taken;
  std::array<select_waiter, Cases> waiters;
  std::array<chan_core*, Cases> channels;
  return select_frame(ops, room.data(), waiters.data(), channels.data()).run(may_block);
}

std::size_t run_large(std::span<select_op> ops, bool may_block) {
  if (ops.size() > select_cases_max) panic("select: too many cases");
  const auto room = std::make_unique<std::uint32_t[]>(ops.size());
  const std::size_t taken = select_frame::try_each(ops, room.get());
  if (taken != no_case) return taken;
  const auto waiters = std::make_unique<select_waiter[]>(ops.size());
  const auto channels = std::make_unique<chan_core*[]>(ops.size());
  return select_frame(ops, room.get(), waiters.get(), channels.get()).run(may_block);
}

[[gnu::always_inline]] inline std::size_t run_select(std::span<select_op> ops, bool may_block) {
  if (ops.size() <= 2) return run_small<2>(ops, may_block);
  return ops.size() <= 8 ? run_small<8>(ops, may_block) : run_large(ops, may_block);
}

bool all_nil(std::span<const select_op> ops) noexcept {
  return std::all_of(ops.begin(), ops.end(), [](const auto& op) { return op.channel == nullptr; });
}

void enter_all(std::span<const select_op> ops) {
  for (const select_op& op : ops) {
    if (op.channel != nullptr) op.channel->enter();
  }
}

}  // namespace

std::size_t select_blocking(std::span<select_op> ops) {
  if (ops.empty()) block_on_empty_select();
  if (all_nil(ops)) block_on_nil_select();
  if (ops.size() == 1) {
    select_op& op = ops.front();
    op.ok = op.sending ? op.channel->send(op.slot) : op.channel->recv(op.slot);
    return 0;
  }
  enter_all(ops);
  return run_select(ops, true);
}

std::size_t select_now(std::span<select_op> ops) {
  if (ops.size() == 1) {
    select_op& op = ops.front();
    if (op.channel == nullptr) return no_case;
    const chan_status status =
        op.sending ? op.channel->try_send(op.slot) : op.channel->try_recv(op.slot);
    op.ok = status == chan_status::done;
    return status == chan_status::would_block ? no_case : 0;
  }
  if (all_nil(ops)) return no_case;
  enter_all(ops);
  return run_select(ops, false);
}

void panic_send_on_closed() {
  panic("send on closed channel");
}

}  // namespace ringo::detail
