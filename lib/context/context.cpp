#include <ringo/context.hpp>

#include <new>
#include <utility>

#include <ringo/detail/explore_point.hpp>
#include <ringo/error.hpp>

#include "context/context_node.hpp"
#include "sched/bubble.hpp"
#include "sched/timers.hpp"

namespace ringo {
namespace detail {

void retain(context_node& node) noexcept {
  if (node.immortal) return;
  // relaxed: a new reference comes from one that exists
  node.refs.fetch_add(1, std::memory_order_relaxed);
}

/// Step 7.
void release(context_node& node) noexcept {
  for (context_node* at = &node; at != nullptr && !at->immortal;) {
    // acq_rel pairs with itself: the last one sees what the others did
    if (at->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    at->leave();
    context_node* const above = at->parent.get();
    // Its reference goes on to the loop.
    ::new (&at->parent) counted<context_node>();
    delete at;
    at = above;
  }
}

context_node::context_node(const ringo::context& above)
    : parent(above.node_), nearest(nullptr), deadline(never) {
  const context_node* node = parent.get();
  if (node == nullptr) panic("cannot create context from nil parent");
  nearest = node->nearest;
  deadline = node->deadline;
}

context_node& context_node::of(const ringo::context& ctx) {
  if (ctx.node_.get() == nullptr) panic("nil context");
  return *ctx.node_.get();
}

cancel_node::cancel_node(const ringo::context& above)
    : context_node(above), cancellation(&cancel_node::announce), above_(nearest) {
  nearest = this;
  const bubble_id here = current_bubble();
  if (above_ == nullptr || above_->group() == here) belong_to(here);
  link_.child = this;
  timer_.fire = &cancel_node::fire;
  timer_.node = this;
  feeder_.detach = &cancel_node::detach;
  feeder_.node = this;
}

cancel_node::~cancel_node() {
  // relaxed: nobody else knows the node
  if (chan_core* channel = done_.load(std::memory_order_relaxed)) channel->dispose();
}

void cancel_node::join_tree(time_point wanted, time_point now, std::error_code cause) {
  if (above_ != nullptr && !above_->add(link_)) {
    end(above_->code(), above_->cause());
    return;
  }
  if (wanted >= deadline) return;
  deadline = wanted;
  const std::error_code why = errc::deadline_exceeded;
  timer_.cause = cause ? cause : why;
  if (wanted <= now) {
    end(why, timer_.cause);
    return;
  }
  add_timer(timer_, wanted);
  bool alive = false;
  {
    spin_guard guard(lock_);
    alive = is_alive();
  }
  if (!alive) timer_heap::remove(timer_);
}

void cancel_node::leave() noexcept {
  timer_heap::remove(timer_);
  if (above_ != nullptr && !is_unlinked_) above_->remove(link_);
}

bool cancel_node::keep_unless_gone() noexcept {
  std::size_t count = refs.load();
  while (count != 0) {
    if (refs.compare_exchange_weak(count, count + 1)) return true;
  }
  return false;
}

/// Under the node's lock.
void cancel_node::announce(cancellation& self, walk& found) noexcept {
  auto& node = static_cast<cancel_node&>(self);
  auto& tree = static_cast<tree_walk&>(found);
  // relaxed: under the lock
  if (chan_core* channel = node.done_.load(std::memory_order_relaxed))
    channel->close_into(tree.woken);
  // relaxed: see step 3
  if (!tree.by_timer && node.timer_.home.load(std::memory_order_relaxed) != nullptr &&
      node.keep_unless_gone()) {
    node.next_timed_ = std::exchange(tree.timed, &node);
  }
}

void cancel_node::end(std::error_code why, std::error_code cause, bool by_timer) noexcept {
  tree_walk found(by_timer);
  if (!cancel(found, why, cause)) return;
  if (above_ != nullptr) {
    above_->remove(link_);
    is_unlinked_ = true;
  }
  found.finish();
}

void cancel_node::tree_walk::finish() noexcept {
  while (timed != nullptr) {
    cancel_node* node = std::exchange(timed, timed->next_timed_);
    timer_heap::remove(node->timer_);
    release(*node);
  }
  wake_all();
  after_func_state* in_order = nullptr;
  while (started != nullptr) {
    after_func_state* state = std::exchange(started, started->next_started);
    state->next_started = std::exchange(in_order, state);
  }
  while (in_order != nullptr) std::exchange(in_order, in_order->next_started)->start();
}

void cancel_node::fire(timer_node& timer, time_point /*now*/, fiber_queue& /*ready*/) noexcept {
  auto& self = static_cast<deadline_timer&>(timer);
  self.node->end(errc::deadline_exceeded, self.cause, true);
}

bool cancel_node::detach(chan_core::feeder& feeder) noexcept {
  release(*static_cast<done_feeder&>(feeder).node);
  return false;
}

chan_core* cancel_node::make_done() {
  chan_core* made = chan_core::make(element_type_of<void>, 0);
  made->belong_to(&feeder_);
  made->belong_to(group());
  chan_core* existing = nullptr;
  {
    spin_guard guard(lock_);
    existing = done_.load(std::memory_order_relaxed);  // relaxed: under the lock
    if (existing == nullptr) {
      fiber_queue nobody;
      if (!is_alive()) made->close_into(nobody);
      done_.store(made, std::memory_order_release);  // pairs with share_done()
      return made;
    }
  }
  made->dispose();
  return existing;
}

chan_core* cancel_node::share_done() {
  chan_core* channel = done_.load(std::memory_order_acquire);  // pairs with make_done()
  if (channel == nullptr) channel = make_done();
  // The handles count as one reference; detach() gives it back. The caller keeps the node until
  // here.
  if (channel->add_first_handle()) retain(*this);
  return channel;
}

cancellation* cancellation_of(const ringo::context& ctx) {
  return context_node::of(ctx).nearest;
}

namespace {

template <typename Made>
Made derive(const ringo::context& parent,
            time_point deadline,
            time_point now,
            std::error_code cause) {
  auto owned = std::make_unique<cancel_node>(parent);
  cancel_node& node = *owned;
  auto made = context_node::handles<Made>(owned.release());
  node.join_tree(deadline, now, cause);
  return made;
}

}  // namespace

cancellable_context make_deadline(const ringo::context& parent,
                                  time_point deadline,
                                  std::error_code cause) {
  return derive<cancellable_context>(parent, deadline, time_here(), cause);
}

cancellable_context make_timeout(const ringo::context& parent,
                                 nanoseconds timeout,
                                 std::error_code cause) {
  const time_point now = time_here();
  return derive<cancellable_context>(parent, deadline_after(now, timeout), now, cause);
}

ringo::context make_value(const ringo::context& parent,
                          const void* key,
                          std::unique_ptr<context_value> value) {
  auto node = std::make_unique<context_node>(parent);
  node->key = key;
  node->value = std::move(value);
  return context_node::handle(node.release());
}

}  // namespace detail

recv_chan<void> context::done() const {
  detail::cancel_node* node = detail::context_node::of(*this).nearest;
  return node != nullptr ? recv_chan<void>(node->share_done()) : recv_chan<void>();
}

std::error_code context::err() const {
  detail::explore_point();
  const detail::cancel_node* node = detail::context_node::of(*this).nearest;
  return node != nullptr ? node->code() : std::error_code{};
}

std::optional<std::chrono::steady_clock::time_point> context::deadline() const {
  const auto when = detail::context_node::of(*this).deadline;
  if (when == detail::never) return std::nullopt;
  return when;
}

const detail::context_value* context::lookup(const void* key) const {
  const detail::context_node* node = &detail::context_node::of(*this);
  while (node != nullptr && node->key != key) node = node->parent.get();
  return node != nullptr ? node->value.get() : nullptr;
}

void cancel_function::operator()() const {
  if (node_.get() == nullptr) return;
  auto& node = *static_cast<detail::cancel_node*>(node_.get());
  node.check_canceller();
  node.end(errc::canceled, errc::canceled);
}

void cancel_cause_function::operator()(std::error_code cause) const {
  if (node_.get() == nullptr) return;
  auto& node = *static_cast<detail::cancel_node*>(node_.get());
  node.check_canceller();
  const std::error_code why = errc::canceled;
  node.end(why, cause ? cause : why);
}

context background() noexcept {
  static auto& root = [&]() -> detail::context_node& {
    auto& node = *new detail::context_node;
    node.immortal = true;
    return node;
  }();
  return detail::context_node::handle(&root);
}

cancellable_context with_cancel(const context& parent) {
  return detail::derive<cancellable_context>(parent, detail::never, {}, {});
}

cancellable_cause_context with_cancel_cause(const context& parent) {
  return detail::derive<cancellable_cause_context>(parent, detail::never, {}, {});
}

context without_cancel(const context& parent) {
  auto node = std::make_unique<detail::context_node>(parent);
  node->nearest = nullptr;
  node->deadline = detail::never;
  return detail::context_node::handle(node.release());
}

std::error_code cause(const context& ctx) {
  const detail::cancel_node* node = detail::context_node::of(ctx).nearest;
  return node != nullptr ? node->cause() : std::error_code{};
}

}  // namespace ringo
