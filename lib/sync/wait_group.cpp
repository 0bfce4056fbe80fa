#include <ringo/sync/wait_group.hpp>

#include <ringo/error.hpp>

#include "sched/park.hpp"
#include "sync/sync_cancel.hpp"

/// Word: the counter in the upper half, below it the two flags of sync_queue.
///
/// add:  one step, unless the counter reaches zero while somebody waits: then lock the queue,
/// publish zero, and
///       ready everybody.
/// wait: zero and the queue not locked: return. Else lock the queue if the word has not changed,
/// and park with
///       the word published as counter|waiting. One who gives up is taken out of the queue:
///       sync_cancel.hpp.

namespace ringo {
namespace {

using queue = detail::sync_queue<std::uint64_t>;

}  // namespace

struct wait_group_waits {
  static detail::durability durable(void* subject) noexcept {
    static_assert(std::is_standard_layout_v<wait_group>);
    const auto& self = *static_cast<detail::sync_waiter<std::uint64_t>*>(subject);
    // `queue_` is the first member.
    const auto& owner = *reinterpret_cast<const wait_group*>(self.owner.load());
    // relaxed: see the header
    const bool bubbled = owner.group_.load(std::memory_order_relaxed) != 0;
    return bubbled ? detail::reach_of(self) : detail::durability::shared;
  }
  static constexpr detail::park_kind kind{"sync.WaitGroup.Wait",
                                          &queue::after_wait,
                                          &queue::claim,
                                          &queue::dropped,
                                          &wait_group_waits::durable,
                                          nullptr,
                                          &detail::waits_for<std::uint64_t>};
};

/// Of a group whose counter is at `word`; `n` is about to be added.
inline void wait_group::enter(std::uint64_t word, int n) {
  constexpr auto relaxed = std::memory_order_relaxed;  // relaxed: see the header
  if (word >> count_shift != 0) {
    const detail::bubble_id owner = group_.load(relaxed);
    if (RINGO_UNLIKELY(owner != 0)) detail::check_bubble(owner, "wait_group");
  } else if (n > 0) {
    group_.store(detail::current_bubble(), relaxed);
  }
}

void wait_group::add(int n) {
  for (std::uint64_t word = queue_.load();;) {
    queue_.await_unlocked(word);
    const auto count = static_cast<std::int64_t>(word >> count_shift) + n;
    enter(word, n);
    if (count < 0) detail::panic("sync: negative WaitGroup counter");
    if (count > INT32_MAX) detail::panic("sync: WaitGroup counter out of range");
    if (count == 0 && (word & queue::waiting) != 0) {
      if (!queue_.try_lock(word)) continue;
      queue_.release_all(0);
      return;
    }
    const std::uint64_t next =
        (static_cast<std::uint64_t>(count) << count_shift) | (word & queue::flags);
    if (queue_.change(word, next)) return;
  }
}

void wait_group::wait() {
  if (queue_.load() == 0) return;
  detail::sync_waiter<std::uint64_t> self;
  wait(self);
}

std::error_code wait_group::wait_unless(detail::cancellation* stop) {
  if (stop == nullptr) {
    wait();
    return {};
  }
  if (stop->done()) return stop->code();
  detail::sync_waiter<std::uint64_t> self;
  return detail::wait_unless(
      *stop, queue_, self, &detail::call_off<std::uint64_t>, [&] { return wait(self); });
}

/// False: called off.
bool wait_group::wait(detail::sync_waiter<std::uint64_t>& self) {
  for (std::uint64_t word = queue_.load();;) {
    queue_.await_unlocked(word);
    if (word >> count_shift == 0) return true;
    enter(word, 0);
    if (queue_.try_lock(word)) {
      return queue_.wait(self, word, queue::place::back, wait_group_waits::kind) ==
             detail::wait_outcome::granted;
    }
  }
}

}  // namespace ringo
