#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <system_error>
#include <type_traits>
#include <utility>

#include <ringo/detail/bubble_id.hpp>
#include <ringo/detail/cancellable.hpp>
#include <ringo/detail/config.hpp>
#include <ringo/detail/intrusive_list.hpp>
#include <ringo/detail/spinlock.hpp>

/// The waiting protocol of channels; the element type is erased, so that it is compiled once.
///
/// Invariants, under the channel's lock:
/// - a parked receiver implies an empty buffer (and no parked sender); a parked sender implies a
///   full one, or none; but for a select that waits to send and to receive on one channel;
/// - `count` elements are in the buffer, the oldest at `head`.
///
/// Steps of a send (a receive mirrors them):
/// 1. lock; closed: unlock, panic.
/// 2. A receiver waits: take the oldest one out of the queue; if it is a select, win its decision,
///    else go on with the next; move the value straight into its slot; unlock; ready it.
/// 3. There is room: move the value into the buffer; unlock.
/// 4. Else queue a waiter, park, and let the lock go once off the stack. Whoever takes the waiter
///    out has done the transfer, or closed the channel (`ok` tells), when the fiber runs again. The
///    waiter of a single operation lies in the fiber's control block, those of a select in its
///    frame.
/// Nothing allocates. Fibers are readied after the lock is released.

namespace ringo::detail {

struct fiber;
class wait_objects;
class chan_core;
struct select_frame;

/// How to move and destroy elements. Both run under the channel's lock, so they must be short, and
/// must not throw or use ringo.
struct element_type {
  std::size_t size;
  std::size_t alignment;
  bool is_trivial;
  void (*relocate)(void* to,
                   void* from) noexcept;  ///< move-construct `to`; `from` stays to be destroyed
  void (*destroy)(void* element) noexcept;

  void move(void* to, void* from) const noexcept {
    if (RINGO_LIKELY(is_trivial)) {
      // The common sizes without a call.
      if (size == sizeof(std::uint64_t)) {
        std::memcpy(to, from, sizeof(std::uint64_t));
      } else if (size == sizeof(std::uint32_t)) {
        std::memcpy(to, from, sizeof(std::uint32_t));
      } else if (size != 0) {  // of chan<void>: the addresses may be null
        std::memcpy(to, from, size);
      }
    } else {
      relocate(to, from);
    }
  }
  void end(void* element) const noexcept {
    if (!is_trivial) destroy(element);
  }
};

template <typename T>
constexpr element_type describe_element() noexcept {
  if constexpr (std::is_void_v<T>) {
    return {0, 1, true, nullptr, nullptr};
  } else {
    return {sizeof(T),
            alignof(T),
            std::is_trivially_copyable_v<T>,
            [](void* to, void* from) noexcept { ::new (to) T(std::move(*static_cast<T*>(from))); },
            [](void* element) noexcept { static_cast<T*>(element)->~T(); }};
  }
}
template <typename T>
inline constexpr element_type element_type_of = describe_element<T>();

/// A fiber's or plain thread's place in a channel's queue (Go's sudog).
struct waiter {
  waiter* next = nullptr;  // the links are guarded by the lock of `owner`
  waiter* prev = nullptr;
  bool linked = false;
  bool ok = false;         // set by the waker: a value was transferred; else the channel was closed
  bool selecting = false;  // this is a select_waiter; immutable while queued, as is all below
  std::uint32_t index = 0;  // of the case, in a select
  fiber* who = nullptr;
  void* slot = nullptr;  // the value to send, or raw memory for the one to receive
  std::atomic<chan_core*> owner{nullptr};  // null once the channel is gone
};

enum class chan_status : std::uint8_t { done, would_block, closed };

class chan_core {
 public:
  /// Panics "makechan: size out of range".
  static chan_core* make(const element_type& type, std::ptrdiff_t capacity);

  /// Something that feeds the channel by itself (a timer, a context) and must stop before the
  /// channel goes. Called when the last handle has gone. True: the feeder has freed itself, and the
  /// channel goes too. False: the channel belongs to the feeder, and may be gone already. Set once,
  /// before the channel is shared. The channel's buffer is the feeder's affair: len() and cap() do
  /// not show it.
  struct feeder {
    bool (*detach)(feeder& self) noexcept;
  };
  void set_feeder(feeder* from) noexcept { feeder_ = from; }
  /// As try_send(); but the receiver that took the value, if one waited, is for the caller to
  /// ready.
  fiber* feed(void* value) noexcept;
  /// Drops what was fed and not received yet. False: nothing was.
  bool take_back() noexcept;

  /// For a channel that belongs to its feeder: it then has no handle but those that are given out
  /// by add_first_handle(), and dispose() ends it.
  void belong_to(feeder* owner) noexcept {
    feeder_ = owner;
    handles_.store(0, std::memory_order_relaxed);  // relaxed: not shared yet
  }
  /// Instead of the bubble it was made in; before it is shared.
  void belong_to(bubble_id group) noexcept {
    bubbled_ = group != 0;
    bubble_ = group;
  }
  /// What every operation begins with. Panics outside of the channel's bubble.
  void enter() const {
    if (RINGO_UNLIKELY(bubbled_)) check_bubble(bubble_, "channel");
  }
  /// Made in a bubble, whose fibers alone wake each other.
  bool is_bubbled() const noexcept { return bubbled_; }

  /// True: there was no handle before. For each `true` there is one call of detach().
  // acquire pairs with drop_handle()
  bool add_first_handle() noexcept { return handles_.fetch_add(1, std::memory_order_acq_rel) == 0; }
  void dispose() noexcept { destroy(); }

  chan_core(const chan_core&) = delete;
  chan_core& operator=(const chan_core&) = delete;

  // relaxed: a new handle comes from one that exists
  void add_handle() noexcept { handles_.fetch_add(1, std::memory_order_relaxed); }
  void drop_handle() noexcept {
    // acq_rel pairs with itself: the last one sees what the others did
    if (handles_.fetch_sub(1, std::memory_order_acq_rel) == 1) last_handle_gone();
  }

  /// Moves from `value` when it succeeds. False: closed.
  [[nodiscard]] bool send(void* value);
  /// Constructs the element in `slot`. False: closed and drained.
  [[nodiscard]] bool recv(void* slot);
  chan_status try_send(void* value);
  chan_status try_recv(void* slot);
  /// Panics "close of closed channel".
  void close();
  /// close() of an open channel, but what it wakes is only collected. For who holds a lock.
  void close_into(intrusive_queue<fiber>& woken) noexcept;

  /// For who waits in one of its queues, while every worker stands still.
  void note_in(wait_objects& found) const noexcept;

  /// A snapshot.
  bool has_receivers() const noexcept {
    return receivers_waiting_.load(std::memory_order_acquire) != 0;  // pairs with enqueue()
  }

  /// Snapshots: true only if at some moment during the call a receive (a send) could not have gone
  /// on. The order matters: who closes a channel and then takes the last element is seen in that
  /// order.
  bool recv_would_block() const noexcept {
    // all pair with the stores under the lock
    return count_.load(std::memory_order_acquire) == 0 &&            // pairs with set_count()
           senders_waiting_.load(std::memory_order_acquire) == 0 &&  // pairs with enqueue()
           !closed_.load(std::memory_order_acquire);                 // pairs with close()
  }
  bool send_would_block() const noexcept {
    return receivers_waiting_.load(std::memory_order_acquire) == 0 &&  // pairs with enqueue()
           count_.load(std::memory_order_acquire) == capacity_ &&      // pairs with set_count()
           !closed_.load(std::memory_order_acquire);                   // pairs with close()
  }

  std::size_t len() const noexcept {
    return feeder_ != nullptr ? 0 : count_.load(std::memory_order_relaxed);  // relaxed: snapshot
  }
  std::size_t cap() const noexcept { return feeder_ != nullptr ? 0 : capacity_; }

 private:
  chan_core(const element_type& type, std::size_t capacity) noexcept
      : capacity_(capacity), type_(type), bubble_(current_bubble()) {
    bubbled_ = bubble_ != 0;
  }
  ~chan_core() = default;

  spinlock lock_;
  bool bubbled_ = false;             // made in a bubble: `bubble_`. Immutable once shared
  std::atomic<bool> closed_{false};  // these four: written under the lock, read without it too
  std::atomic<std::uint32_t> senders_waiting_{0};
  std::atomic<std::uint32_t> receivers_waiting_{0};
  std::atomic<std::size_t> count_{0};
  std::size_t head_ RINGO_GUARDED_BY(lock_) = 0;
  const std::size_t capacity_;
  const element_type& type_;
  std::byte* buffer_ = nullptr;  // immutable; the elements are guarded by lock_
  intrusive_list<waiter> receivers_ RINGO_GUARDED_BY(lock_);
  intrusive_list<waiter> senders_ RINGO_GUARDED_BY(lock_);
  std::atomic<std::size_t> handles_{1};
  feeder* feeder_ = nullptr;  // immutable once the channel is shared
  bubble_id bubble_;          // as above

  void last_handle_gone() noexcept;
  void destroy() noexcept;
  void* at(std::size_t place) noexcept { return buffer_ + place * type_.size; }
  void set_count(std::size_t count) noexcept {
    count_.store(count, std::memory_order_release);  // pairs with recv_would_block()
  }
  void push(void* value, std::size_t before) noexcept RINGO_REQUIRES(lock_);
  void pop_into(void* slot) noexcept RINGO_REQUIRES(lock_);
  waiter* next_waiter(intrusive_list<waiter>& queue, std::atomic<std::uint32_t>& count) noexcept
      RINGO_REQUIRES(lock_);
  void enqueue(waiter& self, bool sending) noexcept RINGO_REQUIRES(lock_);
  void remove(waiter& self, bool sending) noexcept RINGO_REQUIRES(lock_);

  /// Steps 2 and 3, under the lock. `woken` is to be readied after unlocking.
  chan_status send_now(void* value, fiber*& woken) noexcept RINGO_REQUIRES(lock_);
  chan_status recv_now(void* slot, fiber*& woken) noexcept RINGO_REQUIRES(lock_);
  bool wait(void* slot, bool sending) RINGO_NO_THREAD_SAFETY;

  friend struct select_frame;
  friend struct chan_waits;
  friend struct cancellable_wait;
};

/// Send and receive that give up with the code of `stop` (null: never) once that is done; one that
/// is done on entry wins. Empty: the value was transferred; errc::closed: the channel is closed
/// (and drained). A null channel is Go's nil channel. The steps are in chan_cancel.cpp.
[[nodiscard]] std::error_code send_unless(cancellation* stop, chan_core* channel, void* value);
[[nodiscard]] std::error_code recv_unless(cancellation* stop, chan_core* channel, void* slot);

/// Blocks for ever: an operation on a nil channel, or a select without cases.
[[noreturn]] void panic_send_on_closed();
[[noreturn]] void block_on_nil_send();
[[noreturn]] void block_on_nil_recv();
[[noreturn]] void block_on_nil_select();
[[noreturn]] void block_on_empty_select();

}  // namespace ringo::detail
