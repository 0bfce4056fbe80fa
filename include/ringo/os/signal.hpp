#pragma once

#include <csignal>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <system_error>

#include <ringo/chan.hpp>
#include <ringo/context.hpp>

namespace ringo::detail {

struct signal_subscriber;

}  // namespace ringo::detail

/// Signals as values: Go's os/signal. A program that has asked for a signal gets its number through
/// a channel, and the signal's default action no longer happens; one that has not is treated by the
/// system as any other.
///
/// All of it is thread-safe and works from fibers and plain threads, before, during and after
/// run(); a subscription outlives the run. Nothing here waits for another fiber; at most for a
/// signal handler that is running. The first subscription starts a thread, "ringo-signal", which
/// stays. While there is a subscription no deadlock is reported.
///
/// Signals that cannot be had: SIGKILL and SIGSTOP; those by which the hardware reports a bug
/// (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGSTKFLT); those that the C library keeps
/// for itself; numbers that are none. Naming one has no effect. An empty list means all the others.
///
/// Whatever handler or disposition a signal had before is put back when nobody subscribes to it any
/// more. If another library has installed its handler meanwhile, that stays. The child of a fork()
/// without exec has none of the subscriptions.
/// Source: Go's package os/signal.
namespace ringo::os::signal {

/// From now on each of the signals is also sent to `to`, in addition to what it is sent already.
/// A signal that arrives while the channel is full, or has no receiver waiting if unbuffered, is
/// dropped for that channel: make room for those that must not be missed. Each channel gets its own
/// copy. Signals of one number that come faster than the system reports them are one.
///
/// Panics "os/signal: Notify using nil channel"; "os/signal: Notify in a bubble" for a channel that
/// belongs to a testing::bubble. A channel must be stop()ped before it is closed: a signal for a
/// closed one ends the process as an uncaught panic "send on closed channel". O(subscriptions);
/// allocates. Source: Go's signal.Notify.
void notify(const send_chan<int>& to, std::span<const int> signals);
/// The same: `notify(ch, {SIGINT, SIGTERM})`; `notify(ch)` for all signals.
inline void notify(const send_chan<int>& to, std::initializer_list<int> signals = {}) {
  notify(to, std::span<const int>(signals.begin(), signals.size()));
}

/// Nothing more is sent to `to` once this returns, and no signal is lost: one that this process has
/// noticed before is in the channel, if that had room, and any other takes the action that holds
/// from now on. Does nothing to a channel that is nil or not subscribed. O(subscriptions).
/// Source: Go's signal.Stop.
void stop(const send_chan<int>& to);

/// The process ignores these signals; their subscriptions end, as by stop(). Programs that it
/// starts ignore them too, as always. Source: Go's signal.Ignore.
void ignore(std::span<const int> signals);
inline void ignore(std::initializer_list<int> signals = {}) {
  ignore(std::span<const int>(signals.begin(), signals.size()));
}

/// True: the process ignores the signal, by ignore() or from its start (nohup). Never for those
/// that are discarded by default. Source: Go's signal.Ignored.
[[nodiscard]] bool ignored(int signal) noexcept;

/// Ends the subscriptions of these signals, as by stop(), and takes back ignore(): they have the
/// action again that they had before. Source: Go's signal.Reset.
void reset(std::span<const int> signals);
inline void reset(std::initializer_list<int> signals = {}) {
  reset(std::span<const int>(signals.begin(), signals.size()));
}

/// Cancels the context of notify_context() and ends its subscription. A copyable handle; a
/// default-constructed one has no effect, nor has a second call. Never throws. Thread-safe.
class cancel_function {
 public:
  cancel_function() = default;
  void operator()() const;

 private:
  std::shared_ptr<ringo::detail::signal_subscriber> subscriber_;

  explicit cancel_function(std::shared_ptr<ringo::detail::signal_subscriber> subscriber) noexcept
      : subscriber_(std::move(subscriber)) {}
  friend struct ringo::detail::signal_subscriber;
};

/// What notify_context() returns: `auto [ctx, cancel] = notify_context(parent, {SIGINT});`
struct [[nodiscard]] notified_context {
  context ctx;
  cancel_function cancel;
};

/// A child of `parent` that is also cancelled by the first of these signals. Its err() is
/// errc::canceled, and cause() then names the signal: its value is the number, its category is
/// category(). Until `cancel` is called further signals are taken and have no effect, also after
/// the context is done. So call it when the work has been told to stop; a second Ctrl-C then ends
/// the process:
///
///     auto [ctx, cancel] = ringo::os::signal::notify_context(ringo::background(), {SIGINT});
///     const ringo::cancel_guard guard(cancel);
///
/// Dropping `cancel` without a call leaves the signals taken for ever. Panics "cannot create
/// context from nil parent"; "os/signal: Notify in a bubble" in a testing::bubble. Otherwise as
/// notify() and with_cancel(). Source: Go's signal.NotifyContext.
notified_context notify_context(const context& parent, std::span<const int> signals);
inline notified_context notify_context(const context& parent,
                                       std::initializer_list<int> signals = {}) {
  return notify_context(parent, std::span<const int>(signals.begin(), signals.size()));
}

/// "SIGINT", "SIGRTMIN+3"; "signal 99" for what has no name. Allocates only the result.
[[nodiscard]] std::string name(int signal);

/// The category of causes that are signals: value() is the number, message() "SIGINT signal
/// received". One object for the whole process.
const std::error_category& category() noexcept;

}  // namespace ringo::os::signal
