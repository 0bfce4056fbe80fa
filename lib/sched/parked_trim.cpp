#include "sched/parked_trim.hpp"

#include <array>

#include "fiber/fiber.hpp"
#include "sched/scheduler.hpp"
#include "source/pipe_pool.hpp"

namespace ringo::detail {
namespace {

constexpr std::uint8_t passes_to_trim = 2;
using fiber_batch = std::array<fiber*, fiber_registry::chunk_blocks>;

struct look {
  std::size_t found = 0;  // fibers that were parked at the last round, and have not run since
  bool past_the_end = false;
};

look find_candidates(std::size_t chunk, fiber_batch& candidates) noexcept {
  look result;
  result.past_the_end = !fiber_registry::instance().for_each_in(chunk, [&](fiber& f) {
    if (f.current_state() != fiber_state::parked || f.is_thread) return;
    const auto passes = f.passes.load(std::memory_order_relaxed);  // relaxed: a policy
    if (passes >= passes_to_trim) return;
    const auto now = static_cast<std::uint8_t>(passes + 1);
    f.passes.store(now, std::memory_order_relaxed);  // relaxed: a policy
    if (now == passes_to_trim) candidates[result.found++] = &f;
  });
  return result;
}

/// False: there is no such chunk of control blocks.
bool trim_chunk(scheduler& owner, std::size_t chunk) noexcept {
  fiber_batch candidates;
  const look seen = find_candidates(chunk, candidates);
  if (seen.found == 0) return !seen.past_the_end;
  fiber_batch due;
  std::size_t due_count = 0;
  const std::size_t held = fiber::hold_all(candidates.data(), seen.found, due.data(), due_count);
  for (std::size_t i = 0; i < held; ++i) {
    fiber* f = candidates[i];
    give_back_below(f->memory(), f->at.resume_at);
    if (f->release()) due[due_count++] = f;
  }
  if (due_count != 0) owner.inject_all(due.data(), static_cast<std::uint32_t>(due_count));
  return true;
}

}  // namespace

bool parked_trim::step(scheduler& owner, time_point now) noexcept {
  const std::int64_t at = now.time_since_epoch().count();
  if (at < next_.load() || busy_.exchange(true)) return false;
  bool more = false;
  if (at >= next_.load()) {
    const bool in_range = trim_chunk(owner, chunk_);
    chunk_ = in_range ? chunk_ + 1 : 0;
    more = in_range && --chunks_left_ != 0;
    if (!more) {
      chunks_left_ = chunks_max;
      pipe_pool::instance().trim(now);
      next_.store(at + std::chrono::nanoseconds(interval).count());
    }
  }
  busy_.store(false);
  return more;
}

}  // namespace ringo::detail
