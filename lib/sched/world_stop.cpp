#include "sched/world_stop.hpp"

#include <ringo/go.hpp>

#include "base/futex.hpp"
#include "sched/current.hpp"
#include "sched/scheduler.hpp"

namespace ringo::detail {
namespace {

std::atomic<bool> under_way{false};
std::atomic<std::uint32_t> come{0};   // futex: how often a worker has come to stand
std::atomic<std::uint32_t> epoch{1};  // futex: one more each time that they are let go

}  // namespace

void stand_still(worker& self) noexcept {
  const std::uint32_t seen = epoch.load();
  if (!self.is_halted()) return;
  __builtin_unwind_init();  // all registers are in this frame now
  self.stands_at.store(__builtin_frame_address(0));
  self.stands_since.store(seen);
  come.fetch_add(1);
  futex_wake(come, 1);
  while (epoch.load() == seen) futex_wait(epoch, seen, std::chrono::nanoseconds(-1));
}

world_turn::world_turn() noexcept {
  while (under_way.exchange(true)) yield();
}

world_turn::~world_turn() {
  under_way.store(false);
}

world_stop::world_stop(scheduler& of, std::chrono::nanoseconds patience) noexcept
    : scheduler_(of), self_(current_worker()) {
  self_->stands_at.store(self_->loop().resume_at);
  scheduler_.watcher().looking().lock();
  holds_ = wait_for_all(patience);
  if (!holds_) let_go();
}

world_stop::~world_stop() {
  if (holds_) let_go();
}

bool world_stop::all_stand() const noexcept {
  for (std::uint32_t i = 0; i < scheduler_.worker_count(); ++i) {
    const worker* other = scheduler_.worker_at(i);
    if (other != self_ && other->stands_since.load() != epoch.load()) return false;
  }
  return true;
}

bool world_stop::wait_for_all(std::chrono::nanoseconds patience) noexcept {
  const time_point until = deadline_after(steady_clock::now(), patience);
  for (;;) {
    const std::uint32_t seen = come.load();
    for (std::uint32_t i = 0; i < scheduler_.worker_count(); ++i) {
      worker* other = scheduler_.worker_at(i);
      if (other != self_ && !other->is_halted()) other->call(worker::halted);
    }
    if (all_stand()) return true;
    const auto left = until - steady_clock::now();
    if (left.count() <= 0) return false;
    futex_wait(come, seen, left);
  }
}

void world_stop::let_go() noexcept {
  for (std::uint32_t i = 0; i < scheduler_.worker_count(); ++i) scheduler_.worker_at(i)->go_on();
  epoch.fetch_add(1);
  futex_wake(epoch, INT32_MAX);
  scheduler_.watcher().looking().unlock();
}

}  // namespace ringo::detail
