#include <ringo/sync/once.hpp>

#include <ringo/detail/explore_point.hpp>

#include "sched/park.hpp"
#include "sync/sync_cancel.hpp"

/// Word: 0 -> running -> finished, below it the two flags of sync_queue. The step to `finished` is
/// the runner's last touch: by compare-exchange when nobody waits, else as the word that is
/// published when the queue is released.

namespace ringo {
namespace {

using queue = detail::sync_queue<std::uint32_t>;

constexpr detail::park_kind waits{"sync.Once",
                                  &queue::after_wait,
                                  &queue::claim,
                                  nullptr,
                                  nullptr,
                                  nullptr,
                                  &detail::waits_for<std::uint32_t>};

}  // namespace

bool once::begin() {
  detail::explore_point();
  for (std::uint32_t word = queue_.load();;) {
    queue_.await_unlocked(word);
    if (word == finished) return false;
    if (word == 0) {
      if (queue_.change(word, running)) return true;
    } else if (queue_.try_lock(word)) {
      detail::sync_waiter<std::uint32_t> self;
      queue_.wait(self, word, queue::place::back, waits);
      return false;
    }
  }
}

void once::finish() noexcept {
  std::uint32_t expected = running;
  if (queue_.change_strong(expected, finished)) return;
  queue_.lock();
  queue_.release_all(finished);
}

}  // namespace ringo
