#include <ringo/time/after.hpp>

#include <memory>

#include "sched/park.hpp"
#include "sched/scheduler.hpp"
#include "sched/timers.hpp"

namespace ringo::detail {
namespace {

/// The timer behind an `after` channel. It holds no handle: the channel's last handle ends it.
struct after_timer {
  timer_node timer;  // first: fire() finds the rest from it
  chan_core::feeder feeder{&after_timer::detach};
  chan_core* channel = nullptr;

  static void fire(timer_node& timer, time_point now, fiber_queue& /*ready*/) noexcept {
    auto& self = *reinterpret_cast<after_timer*>(&timer);
    // Under the heap's lock, so that detach() waits for it. There is room: this is the only send.
    self.channel->try_send(&now);
  }
  static void detach(chan_core::feeder& feeder) noexcept {
    auto* self = reinterpret_cast<after_timer*>(reinterpret_cast<std::byte*>(&feeder) -
                                                offsetof(after_timer, feeder));
    timer_heap::remove(self->timer);
    std::unique_ptr<after_timer>(self).reset();
  }
};
static_assert(std::is_standard_layout_v<after_timer>);

}  // namespace

recv_chan<std::chrono::steady_clock::time_point> after_nanoseconds(std::chrono::nanoseconds delay) {
  auto channel = make_chan<time_point>(1);
  const time_point deadline = deadline_after(steady_clock::now(), delay);
  if (deadline == never) return channel;
  auto owned = std::make_unique<after_timer>();
  owned->timer.fire = &after_timer::fire;
  owned->channel = channel.core();
  after_timer* timer = owned.release();
  channel.core()->set_feeder(&timer->feeder);
  add_timer(timer->timer, deadline);
  return channel;
}

}  // namespace ringo::detail
