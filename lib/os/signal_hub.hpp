#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <ringo/detail/spinlock.hpp>
#include <ringo/os/signal.hpp>

#include "os/signal_handler.hpp"

/// Who gets which signal.
///
/// Three parts: the handler, which the kernel runs on any thread at any time; the subscriptions,
/// under one lock; and the signal thread, which carries what the handler has counted to the
/// subscribers. The handler takes no lock and allocates nothing: it knows the table of slots only,
/// one for each signal.
///
/// A slot has `mode` (may the handler count?), `running` (handlers between their first and last
/// step) and `arrived` (counted, and not carried yet).
///
/// Handler:
/// 1. ++running.
/// 2. mode is `wanted`: ++arrived, then ++events and wake the signal thread. Done.
/// 3. Not wanted, so the kernel had chosen this handler before it was taken out (or somebody calls
///    it who has it for his "previous" one). The signal takes the action in force now: send it to
///    this thread again, to be delivered when this handler returns. See act_as_unwanted() in
///    signal_handler.cpp.
/// 4. --running.
/// Signal thread:
/// 5. Read events; under the lock, carry(): for each signal, take `arrived` and send it so many
///    times to each subscriber, without waiting. Then cancel the contexts, with no lock held.
/// 6. Sleep while `events` is what it was.
/// Subscribe, under the lock:
/// 7. mode = wanted, then install the handler. In this order: it never runs unwanted on a signal
///    that is subscribed.
/// Unsubscribe (stop, ignore, reset), under the lock throughout. For each signal that nobody else
/// wants:
/// 8. Change the action, then mode = given_back. In this order: a handler that finds its signal
///    unwanted finds the new action too, and cannot send itself the signal for ever.
/// 9. Wait for running == 0. A handler that began before had mode `wanted` and has counted by now,
///    or had not and acts by step 3.
/// 10. carry(), with the old subscriptions still in place. Then remove them.
///
/// Invariants, at every moment outside of the lock:
/// - a signal has our handler exactly if somebody subscribes to it, unless another library has
///   replaced it since;
/// - `arrived` is not zero only if a subscriber, who was there when the handler ran, still is.
/// So, what stop() promises: nothing is sent to the channel once it returns, for who sends holds
/// the lock and finds it gone; and no signal is lost in between: a handler's signal is counted, and
/// carried in step 10 at the latest, or acts; one whose handler the kernel has not chosen yet acts.
///
/// Under ThreadSanitizer see base/signal_action.hpp.
///
/// fork: the lock is held meanwhile. The child has no signal thread, so it gives back the actions
/// and forgets the subscriptions, whose channels' locks may be held for ever there.

namespace ringo::detail {

/// A set of signals that can be subscribed to; bit n is signal n + 1.
class signal_set {
 public:
  signal_set() = default;
  /// Without those that cannot be had. Empty: all that can.
  explicit signal_set(std::span<const int> signals) noexcept;

  static bool can_be_had(int signal) noexcept;
  bool has(int signal) const noexcept { return (bits_ >> (signal - 1) & 1) != 0; }
  bool empty() const noexcept { return bits_ == 0; }
  void add(int signal) noexcept { bits_ |= std::uint64_t{1} << (signal - 1); }
  void add(signal_set others) noexcept { bits_ |= others.bits_; }
  void remove(signal_set others) noexcept { bits_ &= ~others.bits_; }
  signal_set without(signal_set others) const noexcept {
    signal_set rest = *this;
    rest.remove(others);
    return rest;
  }

  template <typename Do>
  void for_each(Do what) const {
    for (std::uint64_t rest = bits_; rest != 0; rest &= rest - 1) {
      what(__builtin_ctzll(rest) + 1);
    }
  }

 private:
  std::uint64_t bits_ = 0;
};

/// A context that a signal ends.
struct signal_subscriber {
  const cancel_cause_function cancel;

  explicit signal_subscriber(cancel_cause_function function) noexcept
      : cancel(std::move(function)) {}
  static os::signal::cancel_function handle(std::shared_ptr<signal_subscriber> self) noexcept {
    return os::signal::cancel_function(std::move(self));
  }
};

class signal_hub {
 public:
  /// The one of this process; never destroyed.
  static signal_hub& instance() noexcept;

  void notify(const send_chan<int>& to, signal_set signals);
  void notify(std::shared_ptr<signal_subscriber> to, signal_set signals);
  void stop(const send_chan<int>& to);
  void stop(const signal_subscriber& to);
  void ignore(signal_set signals);
  void reset(signal_set signals);

 private:
  struct subscription {
    send_chan<int> channel;                      // or
    std::shared_ptr<signal_subscriber> context;  // one of them is null
    signal_set signals;
  };
  struct cancellation {
    std::shared_ptr<signal_subscriber> of;
    int signal;
  };
  /// What carry() leaves to be done without the lock.
  struct unfinished {
    std::vector<cancellation> due;
    bool sent_to_closed = false;
  };

  spinlock lock_;
  std::vector<subscription> subscriptions_ RINGO_GUARDED_BY(lock_);
  unfinished unfinished_ RINGO_GUARDED_BY(lock_);
  bool has_thread_ RINGO_GUARDED_BY(lock_) = false;
  bool is_expected_ RINGO_GUARDED_BY(lock_) = false;  // the scheduler knows of subscriptions

  signal_hub() noexcept;
  void add(subscription wanted);
  template <typename Predicate>
  void stop_if(Predicate is_the_one);
  void withdraw(signal_set signals, void (*change)(int) noexcept);
  void retire(signal_set signals, void (*change)(int) noexcept) RINGO_REQUIRES(lock_);
  void carry() RINGO_REQUIRES(lock_);
  void send(int signal, std::uint32_t times) RINGO_REQUIRES(lock_);
  unfinished take_unfinished() RINGO_REQUIRES(lock_);
  static void finish(const unfinished& rest);
  void tell_scheduler() RINGO_REQUIRES(lock_);
  void start_thread() RINGO_REQUIRES(lock_);
  [[noreturn]] void serve();

  // Around fork().
  static void before_fork() noexcept RINGO_NO_THREAD_SAFETY;
  static void in_parent() noexcept RINGO_NO_THREAD_SAFETY;
  static void in_child() noexcept RINGO_NO_THREAD_SAFETY;
};

}  // namespace ringo::detail
