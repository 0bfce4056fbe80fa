#include "sched/idle_gate.hpp"

#include <algorithm>

namespace ringo::detail {

worker* idle_gate::wake_one() noexcept {
  spin_guard guard(lock_);
  // `searching_` must never count somebody who will not search: submitters rely on it.
  if (sleepers_.empty()) return nullptr;
  std::uint32_t none = 0;
  if (!searching_.compare_exchange_strong(none, 1)) return nullptr;
  worker* chosen = sleepers_.back();  // the one with the warmest caches
  sleepers_.pop_back();
  asleep_.fetch_sub(1);
  ++awake_;
  return chosen;
}

bool idle_gate::start_searching(std::uint32_t running_max) noexcept {
  const std::uint32_t searching = searching_.load();
  const std::uint32_t idle = asleep_.load();
  const std::uint32_t busy = running_max > idle ? running_max - idle : 1;
  if (2 * searching >= busy) return false;
  searching_.fetch_add(1);
  return true;
}

idle_gate::sleep_kind idle_gate::sleep(worker* self, bool calm) noexcept {
  sleep_kind kind;
  {
    spin_guard guard(lock_);
    sleepers_.push_back(self);
    asleep_.fetch_add(1);
    if (--awake_ == 0) {
      kind.last = true;
    } else {
      kind.calm = calm;
      if (calm) calm_.fetch_add(1);
    }
  }
  full_fence();  // pairs with wake_needed()
  return kind;
}

bool idle_gate::leave(worker* self, sleep_kind was) noexcept {
  spin_guard guard(lock_);
  if (was.calm) calm_.fetch_sub(1);
  const auto place = std::find(sleepers_.begin(), sleepers_.end(), self);
  if (place == sleepers_.end()) return false;
  sleepers_.erase(place);
  asleep_.fetch_sub(1);
  ++awake_;
  return true;
}

bool idle_gate::rest_begins() noexcept {
  spin_guard guard(lock_);
  return --awake_ == 0;
}

void idle_gate::rest_ends() noexcept {
  spin_guard guard(lock_);
  ++awake_;
}

void idle_gate::reset() noexcept {
  spin_guard guard(lock_);
  sleepers_.clear();
  awake_ = 0;
  asleep_.store(0);
  searching_.store(0);
  calm_.store(0);
}

std::uint32_t idle_gate::awake() const noexcept {
  spin_guard guard(lock_);
  return awake_;
}

}  // namespace ringo::detail
