#include "time/timer_core.hpp"

#include <utility>

#include <ringo/go.hpp>
#include <ringo/time/now.hpp>

#include "sched/park.hpp"
#include "sched/timers.hpp"

namespace ringo::detail {
namespace {

struct reference_dropper {
  void operator()(function_timer* timer) const noexcept { timer->drop_reference(); }
};

constexpr timer_habits channel_habits{.awaited = &channel_timer::is_awaited};
constexpr timer_habits function_habits{.forget = &function_timer::forget};

using function_reference = std::unique_ptr<function_timer, reference_dropper>;

}  // namespace

void channel_timer::fire_channel(timer_node& node, time_point due, fiber_queue& ready) noexcept {
  auto& self = static_cast<channel_timer&>(node);
  if (fiber* receiver = self.channel->feed(&due)) ready_onto(receiver, ready);
}

/// A value for nobody changes nothing, and waits in the buffer.
bool channel_timer::is_awaited(const timer_node& node) noexcept {
  return static_cast<const channel_timer&>(node).channel->has_receivers();
}

bool channel_timer::end(chan_core::feeder& self) noexcept {
  const std::unique_ptr<channel_timer> owned(static_cast<channel_timer*>(&self));
  timer_heap::remove(*owned);
  return true;
}

void function_timer::fire_function(timer_node& node,
                                   time_point /*due*/,
                                   fiber_queue& ready) noexcept {
  auto& self = static_cast<function_timer&>(node);
  prepared_fiber prepared(go_options{}, self.site);
  prepared.join(self.home_group);
  prepared.body().emplace([held = function_reference(&self)] { held->function->call(); });
  ready.push(prepared.start_unqueued());
}

void function_timer::forget(timer_node& node) noexcept {
  static_cast<function_timer&>(node).drop_reference();
}

void timer_core::start(nanoseconds delay, nanoseconds wanted_period) {
  period = wanted_period;
  const time_point deadline =
      deadline_after(group != 0 ? ringo::now() : steady_clock::now(), delay);
  if (deadline == never) {
    waits_forever = true;
    return;
  }
  const auto add = group != 0 ? add_timer : add_real_timer;
  if (channel != nullptr) return add(*this, deadline);
  auto* self = static_cast<function_timer*>(this);
  self->add_reference();
  function_reference of_heap(self);
  add(*this, deadline);
  (void)of_heap.release();
}

bool timer_core::withdraw() noexcept {
  const bool waited = std::exchange(waits_forever, false);
  const bool was_linked = timer_heap::remove(*this);
  if (channel != nullptr) return channel->take_back() || was_linked || waited;
  if (was_linked) static_cast<function_timer*>(this)->drop_heaps_reference();
  return was_linked || waited;
}

bool timer_handle::stop() const {
  if (core_->group != 0) check_bubble(core_->group, "timer");
  spin_guard guard(core_->lock);
  return core_->withdraw();
}

bool timer_handle::reset(nanoseconds delay, nanoseconds period) const {
  if (core_->group != 0) check_bubble(core_->group, "timer");
  spin_guard guard(core_->lock);
  const bool was_active = core_->withdraw();
  core_->start(delay, period);
  return was_active;
}

void timer_handle::drop_function() noexcept {
  static_cast<function_timer*>(core_)->drop_reference();
}

// Both start a timer that nobody else knows yet: without its lock, which `fire` does not take
// either.

timer_handle start_timer(nanoseconds delay, nanoseconds period) RINGO_NO_THREAD_SAFETY {
  auto channel = make_chan<time_point>(1);
  auto owned = std::make_unique<channel_timer>();
  owned->fire = &channel_timer::fire_channel;
  owned->habits = &channel_habits;
  owned->channel = channel.core();
  channel.core()->set_feeder(owned.get());
  timer_core* core = owned.release();  // the channel's now
  core->start(delay, period);
  return {core, std::move(channel)};
}

timer_handle start_function(nanoseconds delay,
                            std::unique_ptr<timer_function> function,
                            const void* site) RINGO_NO_THREAD_SAFETY {
  auto owned = std::make_unique<function_timer>();
  owned->fire = &function_timer::fire_function;
  owned->habits = &function_habits;
  owned->function = std::move(function);
  owned->site = site;
  timer_core* core = owned.release();
  timer_handle handle(core, {});
  core->start(delay, {});
  return handle;
}

}  // namespace ringo::detail
