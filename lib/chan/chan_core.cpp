#include <ringo/detail/chan_core.hpp>

#include <array>
#include <new>
#include <type_traits>

#include <ringo/error.hpp>

#include "chan/chan_steps.hpp"
#include "fiber/fiber.hpp"
#include "sched/park.hpp"

namespace ringo::detail {
namespace {

constexpr std::size_t buffer_bytes_max = std::size_t{1} << 47;

std::size_t buffer_offset(const element_type& type) noexcept {
  return (sizeof(chan_core) + type.alignment - 1) / type.alignment * type.alignment;
}
static_assert(alignof(chan_core) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
/// Most elements need no more than any `new` gives; the aligned one costs more.
bool needs_alignment(const element_type& type) noexcept {
  return type.alignment > __STDCPP_DEFAULT_NEW_ALIGNMENT__;
}
void* allocate(const element_type& type, std::size_t size) noexcept {
  if (!needs_alignment(type)) return ::operator new(size, std::nothrow);
  return ::operator new (size, std::align_val_t{type.alignment}, std::nothrow);
}
void deallocate(const element_type& type, void* memory) noexcept {
  if (!needs_alignment(type)) return ::operator delete(memory);
  ::operator delete (memory, std::align_val_t{type.alignment});
}

}  // namespace

/// What a single channel operation is parked on.
struct chan_waits {
  static void after(void* subject) noexcept RINGO_NO_THREAD_SAFETY {
    // relaxed: written by this thread a moment ago
    static_cast<waiter*>(subject)->owner.load(std::memory_order_relaxed)->lock_.unlock();
  }
  static bool claim(waiter& self, bool sending) noexcept {
    chan_core* owner = self.owner.load();
    if (owner == nullptr) return true;
    spin_guard guard(owner->lock_);
    if (!self.linked) return false;
    owner->remove(self, sending);
    return true;
  }
  static bool claim_send(void* subject) noexcept {
    return claim(*static_cast<waiter*>(subject), true);
  }
  static bool claim_recv(void* subject) noexcept {
    return claim(*static_cast<waiter*>(subject), false);
  }

  static durability durable(void* subject) noexcept {
    // relaxed: written by this thread a moment ago
    const auto* owner = static_cast<waiter*>(subject)->owner.load(std::memory_order_relaxed);
    return owner->is_bubbled() ? durability::durable : durability::shared;
  }

  /// Not instrumented, as all that looks at waiters of others: every worker stands still.
  RINGO_NO_TSAN static void waits_for(void* subject, wait_objects& found) noexcept {
    const chan_core* owner = static_cast<waiter*>(subject)->owner.load();
    if (owner != nullptr) return owner->note_in(found);
    found.add(nullptr, 0, wait_objects::extent::part);  // taken out by who wakes it
  }

  static constexpr park_kind send{"chan send",
                                  &chan_waits::after,
                                  &chan_waits::claim_send,
                                  nullptr,
                                  &chan_waits::durable,
                                  nullptr,
                                  &chan_waits::waits_for};
  static constexpr park_kind recv{"chan receive",
                                  &chan_waits::after,
                                  &chan_waits::claim_recv,
                                  nullptr,
                                  &chan_waits::durable,
                                  nullptr,
                                  &chan_waits::waits_for};
};

chan_core* chan_core::make(const element_type& type, std::ptrdiff_t capacity) {
  const auto wanted = static_cast<std::size_t>(capacity);
  if (capacity < 0 || (type.size != 0 && wanted > buffer_bytes_max / type.size)) {
    panic("makechan: size out of range");
  }
  const std::size_t offset = buffer_offset(type);
  void* memory = allocate(type, offset + wanted * type.size);
  if (memory == nullptr) panic("makechan: size out of range");
  auto* core = ::new (memory) chan_core(type, wanted);
  core->buffer_ = static_cast<std::byte*>(memory) + offset;
  return core;
}

RINGO_NO_TSAN void chan_core::note_in(wait_objects& found) const noexcept {
  // A feeder, such as a timer, knows it by ways of its own.
  if (feeder_ != nullptr) return found.add(nullptr, 0, wait_objects::extent::part);
  const std::size_t size = buffer_offset(type_) + capacity_ * type_.size;
  found.add(this, size, wait_objects::extent::whole);
}

void chan_core::last_handle_gone() noexcept {
  if (feeder_ == nullptr || feeder_->detach(*feeder_)) destroy();
}

void chan_core::destroy() noexcept {
  if (count_.load(std::memory_order_acquire) != 0 ||            // pairs with set_count()
      senders_waiting_.load(std::memory_order_acquire) != 0 ||  // pairs with enqueue()
      receivers_waiting_.load(std::memory_order_acquire) != 0) {
    spin_guard guard(lock_);
    for (std::size_t count = count_.load(); count > 0; --count) {
      type_.end(at(head_));
      if (++head_ == capacity_) head_ = 0;
    }
    // Fibers that hold no handle of the channel they wait for: nothing can wake them any more.
    for (auto* queue : {&receivers_, &senders_}) {
      while (waiter* w = queue->pop_front()) w->owner.store(nullptr);
    }
  }
  const element_type& type = type_;
  this->~chan_core();
  deallocate(type, this);
}

void chan_core::enqueue(waiter& self, bool sending) noexcept {
  auto& count = sending ? senders_waiting_ : receivers_waiting_;
  // release pairs with recv_would_block(); relaxed: under the lock
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  self.owner.store(this, std::memory_order_relaxed);  // relaxed: under the lock
  (sending ? senders_ : receivers_).push_back(&self);
}

void chan_core::remove(waiter& self, bool sending) noexcept {
  auto& count = sending ? senders_waiting_ : receivers_waiting_;
  // release pairs with recv_would_block(); relaxed: under the lock
  count.store(count.load(std::memory_order_relaxed) - 1, std::memory_order_release);
  (sending ? senders_ : receivers_).erase(&self);
}

/// Step 4; the lock is held.
bool chan_core::wait(void* slot, bool sending) {
  static_assert(sizeof(waiter) <= wait_room_size && std::is_trivially_destructible_v<waiter>);
  fiber* me = current_fiber();
  waiter& self = *::new (me->wait_room) waiter;
  self.who = me;
  self.slot = slot;
  enqueue(self, sending);
  lock_.prepare_handover();
  park(sending ? chan_waits::send : chan_waits::recv, &self);
  return self.ok;
}

bool chan_core::send(void* value) RINGO_NO_THREAD_SAFETY {
  enter();
  fiber* woken = nullptr;
  lock_.lock();
  const chan_status status = send_now(value, woken);
  if (status == chan_status::would_block) return wait(value, true);
  lock_.unlock();
  if (woken != nullptr) ready(woken);
  return status == chan_status::done;
}

bool chan_core::recv(void* slot) RINGO_NO_THREAD_SAFETY {
  enter();
  fiber* woken = nullptr;
  lock_.lock();
  const chan_status status = recv_now(slot, woken);
  if (status == chan_status::would_block) return wait(slot, false);
  lock_.unlock();
  if (woken != nullptr) ready(woken);
  return status == chan_status::done;
}

chan_status chan_core::try_send(void* value) {
  enter();
  if (send_would_block()) return chan_status::would_block;
  fiber* woken = nullptr;
  lock_.lock();
  const chan_status status = send_now(value, woken);
  lock_.unlock();
  if (woken != nullptr) ready(woken);
  return status;
}

chan_status chan_core::try_recv(void* slot) {
  enter();
  if (recv_would_block()) return chan_status::would_block;
  fiber* woken = nullptr;
  lock_.lock();
  const chan_status status = recv_now(slot, woken);
  lock_.unlock();
  if (woken != nullptr) ready(woken);
  return status;
}

fiber* chan_core::feed(void* value) noexcept {
  fiber* woken = nullptr;
  spin_guard guard(lock_);
  (void)send_now(value, woken);  // full: dropped
  return woken;
}

bool chan_core::take_back() noexcept {
  if (count_.load(std::memory_order_acquire) == 0) return false;  // pairs with set_count()
  spin_guard guard(lock_);
  const std::size_t count = count_.load(std::memory_order_relaxed);  // relaxed: under the lock
  for (std::size_t left = count; left > 0; --left) {
    type_.end(at(head_));
    if (++head_ == capacity_) head_ = 0;
  }
  set_count(0);
  return count > 0;
}

void chan_core::close() {
  enter();
  lock_.lock();
  const bool was_closed = closed_.load(std::memory_order_relaxed);  // relaxed: under the lock
  closed_.store(true, std::memory_order_release);                   // pairs with recv_would_block()
  lock_.unlock();
  if (was_closed) panic("close of closed channel");
  // Nobody queues any more. In batches: the lock is not held for long, and each waiter, which may
  // have been cold for hours, is fetched from memory once.
  for (;;) {
    std::array<fiber*, ready_batch> woken;
    std::size_t count = 0;
    lock_.lock();
    for (auto [queue, waiting] :
         {std::pair{&receivers_, &receivers_waiting_}, std::pair{&senders_, &senders_waiting_}}) {
      while (count < woken.size()) {
        waiter* w = next_waiter(*queue, *waiting);
        if (w == nullptr) break;
        w->ok = false;
        __builtin_prefetch(w->who);
        woken[count++] = w->who;
      }
    }
    lock_.unlock();
    ready_all(woken.data(), count);
    if (count < woken.size()) return;
  }
}

void chan_core::close_into(intrusive_queue<fiber>& woken) noexcept {
  spin_guard guard(lock_);
  closed_.store(true, std::memory_order_release);  // pairs with recv_would_block()
  for (auto [queue, waiting] :
       {std::pair{&receivers_, &receivers_waiting_}, std::pair{&senders_, &senders_waiting_}}) {
    while (waiter* w = next_waiter(*queue, *waiting)) {
      w->ok = false;
      woken.push(w->who);
    }
  }
}

namespace {

void after_nothing(void* /*subject*/) noexcept {}
bool claim_always(void* /*subject*/) noexcept {
  return true;
}

void waits_for_nothing(void* /*subject*/, wait_objects& /*found*/) noexcept {}

/// Of one that nothing ever wakes.
constexpr park_kind for_ever(const char* reason) noexcept {
  return {reason, after_nothing, claim_always, nullptr, always_durable, nullptr, waits_for_nothing};
}

[[noreturn]] void block_forever(const park_kind& kind) {
  for (;;) park(kind, nullptr);
}

constexpr park_kind nil_send = for_ever("chan send (nil chan)");
constexpr park_kind nil_recv = for_ever("chan receive (nil chan)");
constexpr park_kind nil_select = for_ever("select");
constexpr park_kind empty_select = for_ever("select (no cases)");

}  // namespace

void block_on_nil_send() {
  block_forever(nil_send);
}
void block_on_nil_recv() {
  block_forever(nil_recv);
}
void block_on_nil_select() {
  block_forever(nil_select);
}
void block_on_empty_select() {
  block_forever(empty_select);
}

}  // namespace ringo::detail
