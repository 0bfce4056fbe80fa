#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <ringo/detail/assert.hpp>
#include <ringo/detail/closure.hpp>
#include <ringo/detail/config.hpp>
#include <ringo/detail/spinlock.hpp>

#include "base/fence.hpp"
#include "fiber/sanitizer.hpp"
#include "fiber/stack.hpp"
#include "fiber/switch.hpp"

/// A fiber's control block and its states.
///
/// State: one of those below.
///
///   unused ──spawn──> runnable ──dispatch──> running ──park──> parked
///      ^                  ^                     │                 │
///      └──────────────────┼────── returns ──────┘                 │
///                         └──────────────── ready() ──────────────┘
///
/// A fiber that parks or yields on a thread that the run has given up on becomes `lost`, for good.
///
/// Inspectors (dumps, page give-back) hold a parked fiber while they read its stack. They are rare,
/// wake-ups are not, so the cost lies with the inspector:
///   inspector, hold():    1. held: none -> held (one inspector)   2. heavy fence   3. not parked?
///   release(), give up waker:                1. state = runnable   2. light fence    3. not held?
///   queue the fiber
///                         4. else held: held -> wake_due; done, or no longer held: queue the fiber
///   inspector, release(): held = none; it was wake_due: queue the fiber
/// The fences leave no order in which the inspector misses `runnable` and the waker misses `held`.
/// Where each sees the other, step 4 and release() decide who queues. A fiber has one waker at a
/// time (the one that took it out of its wait queue), so that each wake-up is queued exactly once.
/// `parked` is stored by the departure's `after`, before the lock that guards the fiber's place in
/// a wait queue is released: a waker never sees a fiber that is still running.

namespace ringo::detail {

enum class fiber_state : std::uint8_t {
  unused,    ///< in a free list; nothing but `next` may be touched
  runnable,  ///< in exactly one run queue, or in the hands of whoever puts it there; stack at rest
  running,   ///< in no queue; its thread owns the stack and the control block
  parked,    ///< in the queue of what it waits for; stack at rest, owned by the next waker
  lost,  ///< left behind on an abandoned thread: in no queue, never runs again, its stack is kept
};

inline constexpr std::size_t wait_room_size = 48;

class worker;
struct fiber;
struct fiber_locals;

/// Who may wake a fiber that waits; for the fibers of a bubble (see sched/bubble.hpp).
enum class durability : std::uint8_t {
  outside,  ///< the world: a file descriptor, a signal
  shared,   ///< a fiber, but perhaps one outside of the bubble
  durable   ///< only a fiber of the bubble, or its clock
};

/// Takes down what a parked fiber waits for, to find out whether anything can still wake it.
class wait_objects {
 public:
  enum class extent : std::uint8_t {
    whole,  ///< a block of memory of its own, which handles point into
    part    ///< a part of anything, such as a lock in a structure
  };
  wait_objects() = default;
  wait_objects(const wait_objects&) = delete;
  wait_objects& operator=(const wait_objects&) = delete;
  /// Null: something that is not known. Then something may wake the fiber.
  virtual void add(const void* object, std::size_t size, extent reaches) noexcept = 0;

 protected:
  ~wait_objects() = default;
};

/// What a fiber is parked on; one constant for each place that parks.
struct park_kind {
  const char* reason;  ///< as dumps show it
  /// Runs on another stack once the fiber is at rest: lets go of the lock that guards its place.
  void (*after)(void* subject) noexcept;
  /// Takes the fiber out of what it waits for, at the end of a run. False: a waker was faster and
  /// will make it ready.
  bool (*claim)(void* subject) noexcept;
  /// The fiber was woken, but the run ended before it could go on: gives back what the waker handed
  /// to it. Null: nothing was.
  void (*dropped)(void* subject) noexcept = nullptr;
  /// Who may wake it; asked before `after`. Null: shared.
  durability (*durable)(void* subject) noexcept = nullptr;
  /// What a dump says behind the reason, such as an address; of a fiber that is held. Null: no
  /// more.
  void (*describe)(void* subject, char* text, std::size_t size) noexcept = nullptr;
  /// All that could wake the fiber, while every worker stands still; nothing at all: nothing can.
  /// Null: the world will, a timer or I/O.
  void (*waits_for)(void* subject, wait_objects& found) noexcept = nullptr;
  /// Brings into the CPU's cache what the fiber needs when it goes on. It was woken, and is at
  /// rest. Null: nothing but its stack.
  void (*fetch)(void* subject) noexcept = nullptr;
};

inline durability always_durable(void* /*subject*/) noexcept {
  return durability::durable;
}

/// A plain pointer; atomic and relaxed because whoever takes a fiber from a queue does not hand on
/// to that fiber what ThreadSanitizer knows of its own reads.
class relaxed_link {
 public:
  relaxed_link& operator=(fiber* to) noexcept {
    to_.store(to, std::memory_order_relaxed);  // relaxed: see above
    return *this;
  }
  operator fiber*() const noexcept {  // NOLINT(google-explicit-constructor): stands for a pointer
    return to_.load(std::memory_order_relaxed);  // relaxed: see above
  }

 private:
  std::atomic<fiber*> to_{nullptr};
};

struct alignas(cache_line) fiber {
  // What a switch touches.
  context at;         // owner of the stack, by state
  relaxed_link next;  // link of the queue that the fiber is in; that queue's rules
  std::atomic<fiber_state> state{fiber_state::unused};  // atomic: see above
  enum class held_by : std::uint8_t { nobody, inspector, inspector_wake_due };
  std::atomic<held_by> held{held_by::nobody};  // atomic: see above
  // How often parked_trim has found the fiber parked since it ran last.
  std::atomic<std::uint8_t> passes{0};  // relaxed: a policy
  // Set by the spawner; looked at by inspectors at any time.
  std::atomic<std::uint8_t> stack_size_log2{0};
  std::atomic<bool> is_thread{false};  // stands for a plain thread; as above
  enum class in_bubble : std::uint8_t { no, active, blocked };
  // Set by the spawner; `blocked` from park to wake.
  std::atomic<in_bubble> bubbled{in_bubble::no};
  std::atomic<std::uint16_t> pins{0};  // relaxed: its own; depth of thread_pin
  // Set from park to resumption; read by holders and dumps.
  std::atomic<const park_kind*> kind{nullptr};
  std::atomic<void*> subject{nullptr};
  std::atomic<std::byte*> stack_base{nullptr};  // as `at`; null: not started
  std::atomic<worker*> pinned_to{nullptr};      // see sched/queue_stamp.hpp
  // A plain thread's: futex, its permit to go on. A fiber's: the coarse_tick at which it has
  // parked.
  std::atomic<std::uint32_t> permit{0};
  std::atomic<bool> exiting{false};      // its own; goexit is under way
  std::atomic<bool> in_blocking{false};  // relaxed: its own, read by dumps
  std::atomic<std::uint16_t> bubble{0};  // set by the spawner; 0: none

  // What runs.
  closure body;
  std::atomic<const char*> name{nullptr};        // owned, or null
  std::atomic<const void*> spawn_site{nullptr};  // code address behind the call of go()

  // The rest is rarely touched.
  std::atomic<fiber_locals*> locals{nullptr};  // its own
  std::atomic<std::uint64_t> id{0};            // written by the spawner; read by dumps

  /// For the fiber's place in a queue, when it waits in one only. Whoever wakes very many thus
  /// walks over control blocks, which lie close together, and not over as many stacks, each on a
  /// page of its own.
  alignas(void*) std::byte wait_room[wait_room_size];

  fiber_state current_state() const noexcept {
    // pairs with the stores of the state
    return state.load(std::memory_order_acquire);
  }

  stack memory() const noexcept {
    constexpr auto relaxed = std::memory_order_relaxed;  // relaxed: as `at`
    return {stack_base.load(relaxed), std::size_t{1} << stack_size_log2.load(relaxed)};
  }

  /// The waker's steps. True: the caller queues the fiber. False: an inspector will.
  bool wake() noexcept {
    // Anything else would be a second waker, or a waker of a fiber that does not wait.
    // relaxed: known from its queue
    RINGO_VERIFY(state.load(std::memory_order_relaxed) == fiber_state::parked);
    set(fiber_state::runnable);
    light_fence();                                            // pairs with hold()
    const held_by by = held.load(std::memory_order_acquire);  // pairs with release()
    return RINGO_LIKELY(by == held_by::nobody) || !leave_to_inspector();
  }

  /// The inspector's steps. `held`: the fiber is parked and its stack stays at rest until
  /// release(). `wake_due`, and release()'s `true`: the caller must queue the fiber.
  enum class hold_outcome : std::uint8_t { held, refused, wake_due };
  hold_outcome hold() noexcept;
  /// hold() for many at the price of one fence: moves those that are held to the front of `fibers`
  /// and returns how many. The caller must queue the fibers that it puts into `due`.
  static std::size_t hold_all(fiber** fibers,
                              std::size_t count,
                              fiber** due,
                              std::size_t& due_count) noexcept;
  [[nodiscard]] bool release() noexcept;

  /// First thing on the fiber's own stack after a switch to it.
  void resumed() noexcept {
    sanitizer_acquire(sanitizer_world());
    // Takes over what the waker did before wake(), or the spawner before the spawn.
    state.load(std::memory_order_acquire);  // pairs with wake() and the spawner's store
    // relaxed: only says that the stack is in use, which nobody acts upon
    state.store(fiber_state::running, std::memory_order_relaxed);
    passes.store(0, std::memory_order_relaxed);  // relaxed: a policy
  }

  void set(fiber_state to) noexcept {
#if RINGO_TSAN
    // An exchange keeps what a departing fiber released here; a store would replace it. The asm
    // keeps clang from making a store of it.
    auto before = state.exchange(to, std::memory_order_release);  // pairs with readers
    asm volatile("" : "+r"(before));
#else
    state.store(to, std::memory_order_release);  // pairs with readers of state
#endif
  }

 private:
  bool leave_to_inspector() noexcept;
};

#if !RINGO_ASAN && !RINGO_TSAN
static_assert(sizeof(fiber) == 4 * cache_line, "a million parked fibers pay for each line");
#endif

/// All control blocks of the process. They are recycled but never unmapped, so that a late wake of
/// a plain thread, or an inspector, may always look at one. Thread-safe.
class fiber_registry {
 public:
  static fiber_registry& instance() noexcept;

  /// Takes `wanted` unused blocks into `out`.
  void take(fiber** out, std::size_t wanted);
  void give_back(fiber** blocks, std::size_t count) noexcept;

  /// Calls `visit` for each block that was ever handed out. The states may change meanwhile.
  template <typename Visit>
  void for_each(Visit visit) {
    for (std::size_t chunk = 0; for_each_in(chunk, visit); ++chunk) {
    }
  }
  /// The same for one chunk of blocks. False: there is no such chunk.
  template <typename Visit>
  bool for_each_in(std::size_t chunk, Visit visit) {
    fiber* blocks = nullptr;
    {
      spin_guard guard(lock_);
      if (chunk >= chunks_.size()) return false;
      blocks = chunks_[chunk];
    }
    for (std::size_t i = 0; i < chunk_blocks; ++i) visit(blocks[i]);
    return true;
  }

  static constexpr std::size_t chunk_blocks = 256;

 private:
  friend struct fiber_layout;

  spinlock lock_;
  fiber* unused_ RINGO_GUARDED_BY(lock_) = nullptr;
  std::vector<fiber*> chunks_ RINGO_GUARDED_BY(lock_);

  void grow() RINGO_REQUIRES(lock_);
};

/// The control blocks that one worker keeps at hand. One owner.
class fiber_cache {
 public:
  fiber* take();
  void put(fiber* block) noexcept;
  void flush() noexcept;

 private:
  static constexpr std::size_t capacity = 128;
  // relaxed: one worker's thread; atomic only because its fibers are threads to ThreadSanitizer
  std::atomic<std::size_t> count_{0};
  std::array<std::atomic<fiber*>, capacity> slots_{};
};

}  // namespace ringo::detail
