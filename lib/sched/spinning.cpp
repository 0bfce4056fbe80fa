#include "sched/spinning.hpp"

#include "sched/scheduler.hpp"

namespace ringo::detail {

bool spinning_pays() noexcept {
  const auto& s = scheduler::instance();
  return s.tokens() > 1 && s.config().cpus > 1;
}

}  // namespace ringo::detail
