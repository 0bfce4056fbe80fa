#include <ringo/os/signal.hpp>

#include <ringo/detail/bubble_id.hpp>
#include <ringo/error.hpp>

#include "base/signal_action.hpp"
#include "os/signal_hub.hpp"

namespace ringo::os::signal {

using ringo::detail::change_action;
using ringo::detail::signal_hub;
using ringo::detail::signal_set;
using ringo::detail::signal_subscriber;

namespace {

constexpr const char* in_bubble = "os/signal: Notify in a bubble";

}  // namespace

void notify(const send_chan<int>& to, std::span<const int> signals) {
  if (!to) ringo::detail::panic("os/signal: Notify using nil channel");
  if (to.core()->is_bubbled()) ringo::detail::panic(in_bubble);
  signal_hub::instance().notify(to, signal_set(signals));
}

void stop(const send_chan<int>& to) {
  if (to) signal_hub::instance().stop(to);
}

void ignore(std::span<const int> signals) {
  signal_hub::instance().ignore(signal_set(signals));
}

bool ignored(int signal) noexcept {
  struct sigaction now {};
  return change_action(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

void reset(std::span<const int> signals) {
  signal_hub::instance().reset(signal_set(signals));
}

void cancel_function::operator()() const {
  if (!subscriber_) return;
  subscriber_->cancel();
  signal_hub::instance().stop(*subscriber_);
}

notified_context notify_context(const context& parent, std::span<const int> signals) {
  // The signal thread is outside of every bubble, and could not cancel.
  if (ringo::detail::current_bubble() != 0) ringo::detail::panic(in_bubble);
  cancellable_cause_context made = with_cancel_cause(parent);
  auto subscriber = std::make_shared<signal_subscriber>(std::move(made.cancel));
  signal_hub::instance().notify(subscriber, signal_set(signals));
  return {std::move(made.ctx), signal_subscriber::handle(std::move(subscriber))};
}

}  // namespace ringo::os::signal
