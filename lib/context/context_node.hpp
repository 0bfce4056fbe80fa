#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <system_error>

#include <ringo/context.hpp>
#include <ringo/detail/chan_core.hpp>

#include "sched/cancellation.hpp"
#include "source/clock.hpp"
#include "source/timer_heap.hpp"

/// The context tree.
///
/// A node knows its parent, which it keeps, and the nearest node at or above it that can be
/// cancelled. That one is a `cancellation`, and a listener (`link`) of the next such node above,
/// which does not keep it: parents know their children only as long as those have handles. There is
/// no lock of the tree: each cancellable node has that of its cancellation, and walks nest them
/// from the parent to the child (see cancellation.hpp).
///
/// Invariants:
/// - While `refs` > 0 or its link stands in the parent's list or its timer in a heap, the node's
///   memory is there. Whoever finds a node through the list or the heap holds the lock of the one
///   or the other, which release() takes before it frees; so it need not, and under a heap's lock
///   must not, keep the node.
/// - done() is closed under the node's lock, before its err() can be seen.
/// - A node has a timer of its own only if no deadline above is earlier.
///
/// Derive:
/// 1. Make the node; it keeps its parent.
/// 2. Add the link to the cancellable node above. Refused, that one is done: cancel the new node
///    with its codes. Added before a concurrent cancel() took the lock, the walk finds it.
/// 3. A deadline that has passed: cancel. Else add the timer, then look under the node's lock
///    whether it was cancelled meanwhile, and remove the timer if so. A canceller that came before
///    that look is seen; one that comes after it sees the timer (in 5).
/// Cancel, from the outside:
/// 4. Walk. `announce`, under each node's lock, closes the done channel into the walk, and if the
///    node has a timer keeps it (unless its last handle has gone, then release() is about to see to
///    it) and puts it in `timed`.
/// 5. With no lock: remove the link from the parent; remove the timers of `timed` and release the
///    nodes; wake the fibers; start the after_funcs.
/// Cancel, by the timer, under its heap's lock:
/// 6. The same walk, but timers stay and nothing is kept: release() would take a heap's lock. No
///    timer below is set for later than this one, so each is about to fire in vain.
/// Drop, when the last reference goes:
/// 7. Remove the timer: a fire() under way is over then. Remove the link, unless step 5 has: so is
/// a
///    walk from above.
///    Now nobody knows the node. Free it; go on with the parent's reference (a loop: chains may be
///    long).
///
/// The done channel belongs to the node, and its handles, as long as there are any, count as one
/// reference to the node: who waits on the channel alone keeps the timer and the link.
/// Made by who wins under the node's lock, and closed at once if the node is done.
///
/// An after_func is a listener. Fired, it goes into the walk, and its fiber is started in 5 or 6;
/// the fiber drops the reference to the node, which must not happen under a heap's lock. While no
/// runtime runs there can be no fiber: a timer that is due at once makes it when one does.

namespace ringo::detail {

struct cancel_node;

struct context_node {
  std::atomic<std::size_t> refs{1};  // atomic: see release()
  bool immortal = false;             // background: not counted. Immutable, as is all below
  counted<context_node> parent;
  cancel_node* nearest = nullptr;  // at or above this one; null: never done
  time_point deadline = never;
  const void* key = nullptr;
  std::unique_ptr<context_value> value;

  context_node() = default;
  /// A layer on the parent, which must not be nil.
  explicit context_node(const ringo::context& above);
  context_node(const context_node&) = delete;
  context_node& operator=(const context_node&) = delete;
  virtual ~context_node() = default;

  /// The last reference has gone; before the destructor.
  virtual void leave() noexcept {}

  /// Panics "nil context".
  static context_node& of(const ringo::context& ctx);
  static ringo::context handle(counted<context_node> node) noexcept {
    return ringo::context(std::move(node));
  }
  static ringo::context handle(context_node* adopted) noexcept {
    return handle(counted<context_node>(adopted));
  }
  /// Both handles of a new node, one reference each.
  template <typename Made>
  static Made handles(context_node* adopted) noexcept {
    adopted->refs.store(2, std::memory_order_relaxed);  // relaxed: not shared yet
    return {handle(adopted), decltype(Made::cancel)(counted<context_node>(adopted))};
  }
};

struct after_func_state;

struct cancel_node final : context_node, cancellation {
  struct tree_walk : cancellation::walk {
    const bool by_timer;
    cancel_node* timed = nullptr;         // kept
    after_func_state* started = nullptr;  // in reverse order

    explicit tree_walk(bool under_heap_lock) noexcept : by_timer(under_heap_lock) {}
    /// Steps 5 and 6.
    void finish() noexcept;
  };

  explicit cancel_node(const ringo::context& above);
  ~cancel_node() override;

  /// Panics outside of the bubble that the node belongs to.
  void check_canceller() const {
    if (group() != 0) check_bubble(group(), "context");
  }
  /// Steps 2 and 3. `now` matters if `wanted` is not `never`.
  void join_tree(time_point wanted, time_point now, std::error_code cause);
  /// Steps 4 to 6.
  void end(std::error_code why, std::error_code cause, bool by_timer = false) noexcept;
  void leave() noexcept override;
  /// With a handle for the caller.
  chan_core* share_done();

 private:
  struct deadline_timer : timer_node {
    cancel_node* node = nullptr;
    std::error_code cause;
  };
  struct done_feeder : chan_core::feeder {
    cancel_node* node = nullptr;
  };

  cancel_node* const above_;  // the cancellable node that `link_` goes to; or null
  listener link_;             // guarded by the lock of `above_`
  bool is_unlinked_ = false;  // step 5 has removed it; by who won cancel(), read in step 7
  deadline_timer timer_;      // its heap's rules; `cause` is immutable once it is added
  std::atomic<chan_core*> done_{nullptr};  // atomic: set once, under the lock
  done_feeder feeder_;                     // immutable
  cancel_node* next_timed_ = nullptr;      // the walk's that has kept the node

  bool keep_unless_gone() noexcept;
  chan_core* make_done();
  static void announce(cancellation& self, walk& found) noexcept;
  static void fire(timer_node& timer, time_point now, fiber_queue& ready) noexcept;
  static bool detach(chan_core::feeder& feeder) noexcept;
};

struct after_func_state : cancellation::listener {
  std::atomic<std::size_t> refs{1};
  std::atomic<bool> over{false};        // atomic: started or taken back; decides only if never done
  cancellation* stop = nullptr;         // null: it will never start. Immutable
  ringo::context ctx;                   // keeps `stop`, for take_back() too. Immutable
  std::unique_ptr<deferred_call> call;  // of who took the listener out
  const void* site = nullptr;           // immutable
  bubble* group = nullptr;              // where the fiber is to run. Immutable
  after_func_state* next_started = nullptr;  // the walk's

  /// For a start while no runtime runs.
  struct start_timer : timer_node {
    after_func_state* state = nullptr;
  } when_running;

  /// Runs it in a fiber, which takes over one reference.
  void start() noexcept;
  bool take_back() noexcept;
  static stop_function handle(after_func_state* adopted) noexcept {
    return stop_function(counted<after_func_state>(adopted));
  }
};

}  // namespace ringo::detail
