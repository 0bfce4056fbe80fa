#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>

#include <ringo/detail/spinlock.hpp>

#include "sched/cancellation.hpp"
#include "source/clock.hpp"
#include "source/operation.hpp"
#include "source/timer_heap.hpp"

/// How a fiber, or a plain thread, waits for one operation; see source/operation.hpp for whose
/// frame it is.
///
/// An operation is listed in two places: in its io_slot, where close(), deadlines and those who
/// move them find it, and as the listener of a cancellation. Nobody tells the fiber why it was
/// woken: it looks at the state of things again, each time, before it waits. So a wake-up that
/// comes for a reason which has gone meanwhile (a deadline that was moved) does no harm, and
/// whoever changes the state changes it first and looks for the operation then.
///
/// Steps of a wait, by the holder of the slot's turn:
/// 1. See that the timer covers the deadline: it is set for no later moment. Park.
/// 2. At rest, in the departure: start the operation. Under the slot's lock: list it; closed, or
///    not covered any more: cancel it. Add the listener; refused: cancel it. Let go.
/// 3. Awake: take it out of the slot, under its lock, and remove the listener.
/// Steps of a deadline that passes, as the timer fires: note that no timer is set; under the slot's
/// lock cancel what is listed. Either it is listed then, or step 2 sees that it is not covered.
/// Steps of who moves a deadline: store it; under the slot's lock cancel what is listed unless the
/// timer covers it: the fiber will set it anew. Only the holder of the turn sets the timer.
/// Steps of close(): mark the descriptor closed, under the slot's lock cancel what is listed.
/// A plain thread takes the same steps without parking, polls, and has a bell instead of an engine;
/// its deadline is that of the poll.
///
/// The slot's lock nests inside that of a timer heap.

namespace ringo::detail {

/// Where one operation at a time waits: a direction of a descriptor.
struct io_slot {
  // In real time; never: none. Atomic: any thread may move it.
  std::atomic<time_point> deadline{never};
  spinlock lock;
  operation* listed RINGO_GUARDED_BY(lock) = nullptr;
  bool closed RINGO_GUARDED_BY(lock) = false;
  // Without a deadline nobody looks at the rest.
  // What the timer is set for; never: it is not set. Atomic: set by the holder of the turn, cleared
  // as it fires.
  std::atomic<time_point> timer_due{never};
  timer_node timer;  // the holder's of the turn; at the end close()'s

  io_slot() noexcept { timer.fire = &io_slot::fire; }
  io_slot(const io_slot&) = delete;
  io_slot& operator=(const io_slot&) = delete;
  ~io_slot() = default;

  bool covered() const noexcept {
    const time_point until = deadline.load();
    return until == never || timer_due.load() <= until;
  }
  bool expired() const noexcept {
    const time_point until = deadline.load(std::memory_order_relaxed);  // relaxed: looked at anew
    return until != never && until <= steady_clock::now();
  }
  /// Any thread; never blocks.
  void move_deadline(time_point to) noexcept;
  /// Whoever waits is called off, and nobody will wait any more. Any thread; never blocks.
  void close() noexcept;
  /// Nobody waits, nor will: lets go of the timer.
  void retire() noexcept;
  /// By the holder of the turn.
  void cover() {
    if (!covered()) set_timer();
  }

 private:
  void set_timer();
  static void fire(timer_node& timer, time_point due, fiber_queue& ready) noexcept;
};

/// Why a dump says that the fiber waits.
enum class io_reason : std::uint8_t {
  net_read,
  net_write,
  net_accept,
  net_connect,
  io_read,
  io_write,
  io_wait,
  file
};

/// What a fiber holds while it waits; given back for it if it never goes on.
class io_holder {
 public:
  io_holder() = default;
  io_holder(const io_holder&) = delete;
  io_holder& operator=(const io_holder&) = delete;
  virtual void give_back() noexcept = 0;
  /// Into the CPU's cache, what the fiber needs as it goes on. By others, while it waits.
  virtual void fetch() const noexcept {}

 protected:
  ~io_holder() = default;
};

/// Waits until the operation has ended and returns its result; -EAGAIN, -ECANCELED: look at the
/// state of things, and try again. `slot` and `stop` may be null. Blocks.
std::int64_t wait_for_operation(
    operation& op, io_slot* slot, cancellation* stop, io_reason reason, io_holder* holder);

/// Says for one call whether a wait that has ended like this is worth another one: it was called
/// off, for whatever reason, or the kernel was short of memory for it (not for the call itself).
class wait_patience {
 public:
  /// May yield, and the holder is given back if the fiber never goes on; null: there is none.
  bool again(std::int64_t result, io_holder* holder) {
    if (result != -EAGAIN && result != -ECANCELED && result != -EINTR) {
      return is_shortage(result, holder);
    }
    shortages_ = 0;
    return true;
  }

 private:
  static constexpr int shortages_max = 10;  // in a row
  int shortages_ = 0;

  bool is_shortage(std::int64_t result, io_holder* holder);
};

/// Takes an entry out of the set that it is registered in, and gives it back. Any thread.
void drop_entry(poll_entry& entry) noexcept;

}  // namespace ringo::detail
