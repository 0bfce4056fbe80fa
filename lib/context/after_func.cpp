#include <memory>
#include <utility>

#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>

#include "context/context_node.hpp"
#include "sched/bubble.hpp"
#include "sched/current.hpp"
#include "sched/scheduler.hpp"
#include "sched/timers.hpp"

/// after_func: a listener that starts a fiber. References: one of the registration, which goes on
/// to the fiber, and those of the stop functions. The steps are in context_node.hpp.

namespace ringo {
namespace detail {

void retain(after_func_state& state) noexcept {
  // relaxed: a new reference comes from one that exists
  state.refs.fetch_add(1, std::memory_order_relaxed);
}

void release(after_func_state& state) noexcept {
  // acq_rel pairs with itself: the last one sees what the others did
  if (state.refs.fetch_sub(1, std::memory_order_acq_rel) == 1)
    std::unique_ptr<after_func_state>(&state).reset();
}

namespace {

void fire(cancellation::listener& l, cancellation::walk& found) noexcept {
  auto& state = static_cast<after_func_state&>(l);
  auto& tree = static_cast<cancel_node::tree_walk&>(found);
  state.next_started = std::exchange(tree.started, &state);
}

/// By the next run, on a worker and under its heap's lock.
void fire_start(timer_node& timer, time_point /*due*/, fiber_queue& /*ready*/) noexcept {
  static_cast<after_func_state::start_timer&>(timer).state->start();
}

}  // namespace

void after_func_state::start() noexcept {
  // On a worker a run is under way, or at its end, and then the fiber is left over like any other.
  if (current_worker() != nullptr || scheduler::instance().running()) {
    try {
      prepared_fiber prepared(go_options{}, site);
      prepared.join(group);
      // What the call holds goes before the context does.
      prepared.body().emplace([self = counted<after_func_state>(this)]() mutable {
        const counted<after_func_state> mine = std::move(self);
        const std::unique_ptr<deferred_call> running = std::move(mine.get()->call);
        running->run();
      });
      prepared.start();
      return;
    } catch (const panic_error&) {
      // The run has ended meanwhile.
    }
  }
  when_running.fire = &fire_start;
  when_running.state = this;
  add_timer(when_running, steady_clock::now());
}

bool after_func_state::take_back() noexcept {
  if (stop == nullptr) {
    if (over.exchange(true)) return false;
    call.reset();
    return true;
  }
  if (!stop->remove(*this)) return false;
  call.reset();
  release(*this);
  return true;
}

stop_function start_after(const ringo::context& ctx,
                          std::unique_ptr<deferred_call> call,
                          const void* site) {
  auto owned = std::make_unique<after_func_state>();
  owned->fire = &fire;
  owned->stop = cancellation_of(ctx);
  owned->call = std::move(call);
  owned->site = site;
  after_func_state& state = *owned;
  if (state.stop == nullptr) return after_func_state::handle(owned.release());
  state.ctx = ctx;
  if (state.stop->group() == current_bubble()) state.group = bubble::current();
  retain(state);  // of the registration
  stop_function stop = after_func_state::handle(owned.release());
  if (!state.stop->add(state)) state.start();
  return stop;
}

}  // namespace detail

bool stop_function::operator()() const {
  return state_.get() != nullptr && state_.get()->take_back();
}

}  // namespace ringo
