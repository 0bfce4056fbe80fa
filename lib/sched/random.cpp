#include "sched/random.hpp"

#include <atomic>

#include "base/random.hpp"
#include "sched/current.hpp"
#include "sched/worker.hpp"

namespace ringo::detail {

std::uint32_t random_below(std::uint32_t bound) noexcept {
  if (worker* w = current_worker()) return w->random_below(bound);
  // One shared sequence for plain threads: each takes a state of its own and steps from there.
  static std::atomic<std::uint64_t> state{0x9E3779B97F4A7C15ULL};
  random_source source(state.fetch_add(0x9E3779B97F4A7C15ULL));
  source.next();
  return source.below(bound);
}

}  // namespace ringo::detail
