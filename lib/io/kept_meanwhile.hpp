#pragma once

#include "io/io_wait.hpp"
#include "sched/current.hpp"
#include "sched/park.hpp"
#include "sched/worker.hpp"

namespace ringo::detail {

/// What the running fiber holds is given back if it never goes on from a scheduling point that is
/// no wait: a yield(), or the end of a blocking section. For a scope without waits.
class kept_meanwhile {
 public:
  /// Null, or a plain thread: nothing.
  explicit kept_meanwhile(io_holder* held) noexcept
      : self_(held != nullptr && current_worker() != nullptr ? current_fiber() : nullptr) {
    if (self_ == nullptr) return;
    self_->subject.store(held);
    self_->kind.store(&kind);
  }
  kept_meanwhile(const kept_meanwhile&) = delete;
  kept_meanwhile& operator=(const kept_meanwhile&) = delete;
  ~kept_meanwhile() {
    if (self_ != nullptr) self_->kind.store(nullptr);
  }

 private:
  fiber* const self_;

  static void after_nothing(void* /*held*/) noexcept {}
  static bool claim_always(void* /*held*/) noexcept { return true; }
  static void dropped(void* held) noexcept { static_cast<io_holder*>(held)->give_back(); }
  static constexpr park_kind kind{"runnable", &after_nothing, &claim_always, &dropped};
};

}  // namespace ringo::detail
