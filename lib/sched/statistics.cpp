#include "sched/statistics.hpp"

#include <algorithm>

#include "fiber/stack.hpp"
#include "sched/scheduler.hpp"
#include "sched/wait_counts.hpp"

namespace ringo::detail {
namespace {

static_assert(wait_histogram::buckets == wait_counts::buckets);

void add_waits(const wait_counts& from, wait_histogram& sum) noexcept {
  for (std::size_t i = 0; i < sum.counts.size(); ++i) sum.counts[i] += from.count(i);
  sum.total += from.total();
}

void add(worker& w, statistics& sum) noexcept {
  sum.ended += w.ended();
  sum.switches += w.ticks();
  sum.parks += w.parks();
  sum.steals += w.steals();
  sum.sleeps += w.sleeps();
  sum.engine_calls += w.source().calls();
  sum.completions += w.source().completions();
  add_waits(w.waits(), sum.run_queue_wait);
  sum.runnable += w.queue().size() + (w.next_slot().empty() ? 0 : 1);
  if (w.current() == nullptr) return;
  ++(w.is_blocked() ? sum.blocking : sum.running);
}

/// Each was read at its own moment: they are made to agree, the total being right.
void split(statistics& sum) noexcept {
  std::size_t left = sum.fibers;
  for (std::size_t* part : {&sum.running, &sum.blocking, &sum.runnable}) {
    *part = std::min(*part, left);
    left -= *part;
  }
  sum.parked = left;
}

}  // namespace

void count_all(scheduler& s, statistics& sum) noexcept {
  sum.workers = s.tokens();
  sum.threads = s.worker_count();
  sum.handoffs = s.handoffs();
  sum.runnable = s.injected().size();
  // Ends first: a fiber that ends meanwhile counts as alive, never the other way round.
  for (std::uint32_t i = 0; i < sum.threads; ++i) add(*s.worker_at(i), sum);
  sum.spawned = s.num_spawned();
  sum.fibers = sum.spawned > sum.ended ? sum.spawned - sum.ended : 0;
  split(sum);
}

void count_stacks(statistics& sum) noexcept {
  const auto stacks = stack_pool::total();
  sum.stack_bytes_reserved = stacks.reserved;
  sum.stacks_warm = stacks.warm;
  sum.stacks_cold = stacks.cold;
  sum.unguarded_stacks = stacks_without_guard();
}

}  // namespace ringo::detail
