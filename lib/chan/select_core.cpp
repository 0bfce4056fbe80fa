#include <ringo/detail/select_core.hpp>

#include <algorithm>
#include <array>
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
    for (waiter& w : self.waiters) {
      // A channel that is gone has cleared `owner`.
      if (chan_core* owner = w.owner.load()) self.leave(w, *owner);
    }
    return true;
  }
  static constexpr park_kind kind{"select", &select_waits::after, &select_waits::claim};
};

void select_frame::sort_channels() noexcept {
  std::size_t used = 0;
  for (const select_op& op : ops) {
    if (op.channel != nullptr) channels[used++] = op.channel;
  }
  channels = channels.first(used);
  if (RINGO_LIKELY(used == 2)) {
    if (channels[1] < channels[0]) std::swap(channels[0], channels[1]);
    if (channels[0] == channels[1]) channels = channels.first(1);
    return;
  }
  std::sort(channels.begin(), channels.end());
  const auto end = std::unique(channels.begin(), channels.end());
  channels = channels.first(static_cast<std::size_t>(end - channels.begin()));
}

std::size_t select_frame::try_each(std::span<select_op> ops, std::span<const std::uint32_t> order) {
  for (const std::uint32_t i : order) {
    select_op& op = ops[i];
    if (op.channel == nullptr) continue;
    const chan_status status = op.sending ? op.channel->try_send(op.slot) : op.channel->try_recv(op.slot);
    if (status == chan_status::would_block) continue;
    op.ok = status == chan_status::done;
    return i;
  }
  return no_case;
}

void select_frame::lock_all() noexcept {
  for (chan_core* channel : channels) channel->lock_.lock();
}

RINGO_NO_TSAN void select_frame::unlock_all() noexcept {
  // After the last unlock the frame may be gone: take what the loop needs along.
  chan_core** channel = channels.data();
  for (std::size_t left = channels.size(); left > 0; --left) (*channel++)->lock_.unlock();
}

std::size_t select_frame::take_ready(fiber*& woken) noexcept {
  for (const std::uint32_t i : order) {
    select_op& op = ops[i];
    if (op.channel == nullptr) continue;
    const chan_status status = op.sending ? op.channel->send_now(op.slot, woken)
                                          : op.channel->recv_now(op.slot, woken);
    if (status == chan_status::would_block) continue;
    op.ok = status == chan_status::done;
    return i;
  }
  return no_case;
}

void select_frame::enqueue_all() noexcept {
  fiber* self = current_fiber();
  for (const std::uint32_t i : order) {
    select_op& op = ops[i];
    if (op.channel == nullptr) continue;
    select_waiter& w = waiters[i];
    w.selecting = true;
    w.who = self;
    w.slot = op.slot;
    w.index = i;
    w.select = this;
    op.channel->enqueue(w, op.sending);
  }
  for (chan_core* channel : channels) channel->lock_.prepare_handover();
}

void select_frame::dequeue_losers(std::uint32_t winner) noexcept {
  for (std::uint32_t i = 0; i < ops.size(); ++i) {
    chan_core* channel = ops[i].channel;
    // The lock must be taken even if the waiter has been dropped already: see the last paragraph above.
    if (i != winner && channel != nullptr) leave(waiters[i], *channel);
  }
}

void select_frame::leave(waiter& w, chan_core& owner) noexcept {
  spin_guard guard(owner.lock_);
  if (w.linked) owner.remove(w, ops[w.index].sending);
}

std::size_t select_frame::run(bool may_block) {
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

void shuffle(std::span<std::uint32_t> order) noexcept {
  for (std::uint32_t i = 0; i < order.size(); ++i) {
    const std::uint32_t j = i == 0 ? 0 : random_below(i + 1);
    order[i] = order[j];
    order[j] = i;
  }
}

template <std::size_t Cases>
RINGO_NOINLINE std::size_t run_small(std::span<select_op> ops, std::span<const std::uint32_t> order,
                                     bool may_block) {
  std::array<select_waiter, Cases> waiters;
  std::array<chan_core*, Cases> channels;
  select_frame frame{ops, order, std::span(waiters).first(ops.size()),
                     std::span(channels).first(ops.size())};
  return frame.run(may_block);
}

std::size_t run_large(std::span<select_op> ops, bool may_block) {
  const std::size_t count = ops.size();
  const auto room = std::make_unique<std::uint32_t[]>(count);
  const std::span order(room.get(), count);
  shuffle(order);
  const std::size_t taken = select_frame::try_each(ops, order);
  if (taken != no_case) return taken;
  const auto waiters = std::make_unique<select_waiter[]>(count);
  const auto channels = std::make_unique<chan_core*[]>(count);
  select_frame frame{ops, order, {waiters.get(), count}, {channels.get(), count}};
  return frame.run(may_block);
}

std::size_t run_select(std::span<select_op> ops, bool may_block) {
  constexpr std::size_t small = 8;
  if (ops.size() > select_cases_max) panic("select: too many cases");
  if (ops.size() > small) return run_large(ops, may_block);
  std::array<std::uint32_t, small> room;
  const std::span order = std::span(room).first(ops.size());
  shuffle(order);
  const std::size_t taken = select_frame::try_each(ops, order);
  if (taken != no_case) return taken;
  return ops.size() <= 2 ? run_small<2>(ops, order, may_block) : run_small<small>(ops, order, may_block);
}

bool all_nil(std::span<const select_op> ops) noexcept {
  return std::all_of(ops.begin(), ops.end(), [](const auto& op) { return op.channel == nullptr; });
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
  return run_select(ops, true);
}

std::size_t select_now(std::span<select_op> ops) {
  if (ops.size() == 1) {
    select_op& op = ops.front();
    if (op.channel == nullptr) return no_case;
    const chan_status status = op.sending ? op.channel->try_send(op.slot) : op.channel->try_recv(op.slot);
    op.ok = status == chan_status::done;
    return status == chan_status::would_block ? no_case : 0;
  }
  if (all_nil(ops)) return no_case;
  return run_select(ops, false);
}

void panic_send_on_closed() { panic("send on closed channel"); }

}  // namespace ringo::detail
