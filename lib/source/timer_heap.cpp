#include "source/timer_heap.hpp"

#include <algorithm>

#include <ringo/detail/assert.hpp>

namespace ringo::detail {

void timer_heap::publish() noexcept {
  const time_point earliest = entries_.empty() ? never : entries_.front().when;
  next_.store(earliest.time_since_epoch().count(), std::memory_order_release);  // pairs with next()
}

void timer_heap::sift_up(std::size_t place, entry moving) noexcept {
  while (place > 0) {
    const std::size_t parent = (place - 1) / 4;
    if (!(moving.when < entries_[parent].when)) break;
    put(place, entries_[parent]);
    place = parent;
  }
  put(place, moving);
}

void timer_heap::sift_down(std::size_t place, entry moving) noexcept {
  for (;;) {
    const std::size_t first = place * 4 + 1;
    if (first >= entries_.size()) break;
    const std::size_t last = std::min(first + 4, entries_.size());
    std::size_t least = first;
    for (std::size_t child = first + 1; child < last; ++child) {
      if (entries_[child].when < entries_[least].when) least = child;
    }
    if (!(entries_[least].when < moving.when)) break;
    put(place, entries_[least]);
    place = least;
  }
  put(place, moving);
}

void timer_heap::unlink(std::size_t place) noexcept {
  entries_[place].timer->place = timer_node::unlinked;
  const entry last = entries_.back();
  wipe(&entries_.back(), 1);
  entries_.pop_back();
  if (place == entries_.size()) return;
  if (place > 0 && last.when < entries_[(place - 1) / 4].when) {
    sift_up(place, last);
  } else {
    sift_down(place, last);
  }
}

/// Leaves no pointers behind in memory that is given up: timers are parts of other things, which a
/// search of memory would take for reachable.
void timer_heap::wipe(entry* begin, std::size_t count) noexcept {
  std::fill_n(begin, count, entry{});
  asm volatile("" ::"r"(begin) : "memory");  // else the compiler saves itself the trouble
}

/// As a vector does by itself.
void timer_heap::grow() {
  constexpr std::size_t room_min = 64;
  std::vector<entry> larger;
  larger.reserve(std::max(room_min, 2 * entries_.size()));
  larger.assign(entries_.begin(), entries_.end());
  wipe(entries_.data(), entries_.size());
  entries_.swap(larger);
}

bool timer_heap::add(timer_node& timer, time_point when) {
  spin_guard guard(lock_);
  return link(timer, when);
}

void timer_heap::add_and_keep_lock(timer_node& timer, time_point when) {
  lock_.lock();
  link(timer, when);
  lock_.prepare_handover();
}

bool timer_heap::link(timer_node& timer, time_point when) {
  RINGO_ASSERT(timer.place == timer_node::unlinked);
  // relaxed: whoever removes the timer has learned of it from its owner
  timer.home.store(this, std::memory_order_relaxed);
  if (entries_.size() == entries_.capacity()) grow();
  entries_.push_back({when, &timer});
  sift_up(entries_.size() - 1, {when, &timer});
  if (timer.place != 0) return false;
  publish();
  return true;
}

bool timer_heap::remove(timer_node& timer) noexcept {
  for (;;) {
    timer_heap* home = timer.home.load(std::memory_order_acquire);  // pairs with the store below
    if (home == nullptr) return false;
    spin_guard guard(home->lock_);
    if (timer.home.load(std::memory_order_relaxed) != home)
      continue;  // relaxed: changes under the lock only
    if (timer.place == timer_node::unlinked) return false;
    const bool was_first = timer.place == 0;
    home->unlink(timer.place);
    timer.home.store(nullptr, std::memory_order_release);  // pairs with the load above; last touch
    if (was_first) home->publish();
    return true;
  }
}

void timer_heap::move_all(timer_heap& to) {
  spin_guard guard(lock_);
  spin_guard other(to.lock_);
  for (const entry& e : entries_) {
    e.timer->place = timer_node::unlinked;
    to.link(*e.timer, e.when);
  }
  entries_.clear();
  publish();
}

void timer_heap::retire_all(timer_heap& to) {
  std::vector<timer_node*> forgotten;
  {
    spin_guard guard(lock_);
    spin_guard other(to.lock_);
    for (const entry& e : entries_) {
      e.timer->place = timer_node::unlinked;
      if (e.timer->habits != nullptr && e.timer->habits->forget != nullptr) {
        forgotten.push_back(e.timer);
      } else {
        to.link(*e.timer, e.when);
      }
    }
    entries_.clear();
    publish();
  }
  for (timer_node* timer : forgotten) timer->habits->forget(*timer);
}

time_point timer_heap::next_awaited() noexcept {
  spin_guard guard(lock_);
  time_point earliest = never;
  find_awaited(0, earliest);
  return earliest;
}

/// No timer is due before the one above it.
void timer_heap::find_awaited(std::size_t place, time_point& earliest) const noexcept {
  if (place >= entries_.size() || entries_[place].when >= earliest) return;
  const entry& here = entries_[place];
  const timer_habits* habits = here.timer->habits;
  if (habits == nullptr || habits->awaited == nullptr || habits->awaited(*here.timer)) {
    earliest = here.when;
    return;
  }
  for (std::size_t child = place * 4 + 1; child <= place * 4 + 4; ++child) {
    find_awaited(child, earliest);
  }
}

/// Step 2. Past `never` a series ends.
void timer_heap::take_first(time_point now) noexcept {
  const entry first = entries_.front();
  const nanoseconds period = first.timer->period;
  time_point again = never;
  if (period.count() > 0) {
    again = deadline_after(first.when + period * ((now - first.when) / period), period);
  }
  if (again == never) {
    unlink(0);
  } else {
    sift_down(0, {again, first.timer});
  }
}

void timer_heap::expire(time_point now, fiber_queue& ready) noexcept {
  if (next() > now) return;
  spin_guard guard(lock_);
  while (!entries_.empty() && entries_.front().when <= now) {
    const entry due = entries_.front();
    take_first(now);
    due.timer->fire(*due.timer, due.when, ready);
  }
  publish();
}

}  // namespace ringo::detail
