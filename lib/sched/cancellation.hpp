#pragma once

#include <atomic>
#include <cstdint>
#include <system_error>

#include <ringo/detail/bubble_id.hpp>
#include <ringo/detail/intrusive_list.hpp>
#include <ringo/detail/spinlock.hpp>

#include "source/clock.hpp"
#include "source/timer_heap.hpp"

/// The hook on which blocking operations give up: a state, a code, and those who listen for it.
/// Contexts are built on it; the layers below know only this.
///
/// Invariants, under the lock:
/// - `state` goes from alive over begun to announced, once; the codes are written before it leaves
///   alive and never again;
/// - once it has left alive nobody is added, and whoever is still in the list is about to be fired
///   by the holder of the lock.
///
/// Protocol:
/// 1. An operation that is about to wait adds a listener. Refused: it is done already, and the
///    operation gives up at once.
/// 2. cancel() takes the lock, enters the codes, calls `announce`, and takes every listener out to
///    call its `fire`. `fire` wins or loses the operation's own decision, and leaves the fiber in
///    the walk if it won; when the fiber is not at rest yet it leaves a note for its departure.
/// 3. A listener that is a child is cancelled in the same walk: the child's lock is taken inside
///    the parent's, which stays taken until the child is through. So locks are nested from the root
///    downwards only, and a second cancel() anywhere above returns only when all below is done. The
///    walk finds its way back by `up`: no recursion, whatever the depth.
/// 4. After all locks are released the caller of cancel() wakes the fibers of the walk.
/// 5. An operation that ends for another reason removes its listener, and so does a child that
/// goes.
///    After remove() nobody touches the listener, nor the child: a walk that has taken it out holds
///    the lock that remove() takes until it is through with the child.
/// 6. A reader that sees `begun` waits for the lock: what `announce` does is done for whoever sees
///    that the cancellation is done.
///
/// The lock nests inside that of a timer heap and outside those of channels. Nobody waits for it
/// with a channel's lock in hand, since `announce` may want that one.

namespace ringo::detail {

class cancellation {
 public:
  /// What a cancel() leaves to be done without its locks.
  struct walk {
    fiber_queue woken;  // parked; to be readied

    void wake_all() noexcept;
  };

  struct listener {
    listener* next = nullptr;  // guarded by the lock of the cancellation, as are the next two
    listener* prev = nullptr;
    bool linked = false;
    void (*fire)(listener& self, walk& found) noexcept = nullptr;  // takes no lock but a channel's
    cancellation* child = nullptr;              // instead of `fire`: what is cancelled with this
    std::atomic<cancellation*> owner{nullptr};  // where it was added; null once that is gone
  };

  cancellation() = default;
  cancellation(const cancellation&) = delete;
  cancellation& operator=(const cancellation&) = delete;
  /// Listeners may only be left at the end of a run, of fibers that never run again.
  ~cancellation();

  /// The codes given to cancel() are visible once this is true. Never blocks for longer than a
  /// cancel() under way.
  bool done() const noexcept {
    const state now = state_.load(std::memory_order_acquire);  // pairs with begin() and cancel()
    if (now == state::alive) return false;
    if (now == state::begun) await_cancel();
    return true;
  }
  /// Why; empty while alive.
  std::error_code code() const noexcept { return done() ? code_ : std::error_code{}; }
  /// What is behind it; empty while alive.
  std::error_code cause() const noexcept { return done() ? cause_ : std::error_code{}; }

  /// Only the first call has an effect; true for it. Never blocks. O(listeners), with those of
  /// children.
  bool cancel(std::error_code why) noexcept;
  /// The same with a cause; the caller does what the walk leaves.
  bool cancel(walk& found,
              std::error_code why,
              std::error_code cause) noexcept RINGO_NO_THREAD_SAFETY;

  /// Who may cancel it, as `who` sees it, which is about to wait.
  durability reach(const fiber& who) const noexcept;
  /// The bubble whose fibers alone may cancel it; 0: none.
  bubble_id group() const noexcept { return bubble_; }
  /// Before it is shared.
  void belong_to(bubble_id group) noexcept { bubble_ = group; }

  /// By the fiber whose departure will call add(): what it did before is seen by cancel().
  void prepare_add() noexcept { lock_.prepare_handover(); }
  /// False: done already.
  bool add(listener& l) noexcept;
  /// False: it has fired, or was never added.
  bool remove(listener& l) noexcept;
  /// remove() from wherever it was added; at the end of a run.
  static void forget(listener& l) noexcept {
    if (cancellation* owner = l.owner.load()) owner->remove(l);
  }

 protected:
  enum class state : std::uint8_t {
    alive,     ///< listeners come and go
    begun,     ///< codes are visible, `announce` is under way, under the lock
    announced  ///< for good; listeners are being fired, or have been
  };

  /// `announce` runs under the lock, before any listener is fired; as `fire`.
  explicit cancellation(void (*announce)(cancellation& self, walk& found) noexcept) noexcept
      : announce_(announce) {}

  bool is_alive() const noexcept RINGO_REQUIRES(lock_) {
    return state_.load(std::memory_order_relaxed) == state::alive;  // relaxed: under the lock
  }

  mutable spinlock lock_;

 private:
  std::atomic<state> state_{state::alive};  // atomic: written under the lock, read without it too
  bubble_id bubble_ = 0;                    // immutable once it is shared
  std::error_code code_;                    // written before `state_`, immutable after
  std::error_code cause_;                   // as code_
  intrusive_list<listener> listeners_ RINGO_GUARDED_BY(lock_);
  cancellation* up_ RINGO_GUARDED_BY(lock_) = nullptr;                    // the way back of a walk
  void (*announce_)(cancellation& self, walk& found) noexcept = nullptr;  // immutable

  void begin(walk& found, std::error_code why, std::error_code cause) noexcept
      RINGO_REQUIRES(lock_);
  void await_cancel() const noexcept;
};

/// What a listener waits for, for park_kind.
inline void note_cancellation(const cancellation::listener& l, wait_objects& found) noexcept {
  // Null: it is gone, or somebody has just called the fiber off, and is about to wake it.
  const cancellation* owner = l.owner.load();
  found.add(owner, sizeof *owner, wait_objects::extent::part);
}

/// sleep_until() that gives up: empty when the time has come, else the code. A cancellation that is
/// done on entry wins.
std::error_code sleep_until_time(cancellation& stop, time_point deadline) noexcept;

}  // namespace ringo::detail
