#include <ringo/detail/completion.hpp>

#include "fiber/sanitizer.hpp"
#include "sched/park.hpp"

namespace ringo::detail {

struct completion_waits {
  /// Not instrumented: reads what the waiter wrote a moment ago, on this thread.
  RINGO_NO_TSAN static void after(void* subject) noexcept {
    auto& self = *static_cast<completion*>(subject);
    fiber* waiter = self.waiter_;
    std::uintptr_t pending = 0;
    // Failure: the finisher came first.
    if (!self.word_.compare_exchange_strong(pending, reinterpret_cast<std::uintptr_t>(waiter)))
      ready(waiter);
  }
  static bool claim(void* subject) noexcept {
    auto& self = *static_cast<completion*>(subject);
    auto waiting = reinterpret_cast<std::uintptr_t>(self.waiter_);
    return self.word_.compare_exchange_strong(waiting, 0);
  }
  static constexpr park_kind kind{"task join", &completion_waits::after, &completion_waits::claim};
};

bool completion::finish() noexcept {
  const std::uintptr_t before = word_.exchange(done);
  if (before == abandoned) return false;
  if (before != 0) ready(reinterpret_cast<fiber*>(before));
  return true;
}

RINGO_NO_TSAN void completion::wait() {
  if (word_.load() == done) return;
  waiter_ = current_fiber();
  sanitizer_release(&word_);  // `after` publishes the waiter under another identity
  park(completion_waits::kind, this);
#if RINGO_TSAN
  word_.load();  // takes over what the finisher did, if `after` found it done: under another
                 // identity
#endif
}

bool completion::abandon() noexcept {
  return word_.exchange(abandoned) != done;
}

}  // namespace ringo::detail
