#include "sched/file_pool.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include <sys/syscall.h>
#include <unistd.h>

#include <ringo/error.hpp>

#include "base/futex.hpp"
#include "base/quiet_thread.hpp"
#include "sched/current.hpp"
#include "sched/park.hpp"
#include "sched/scheduler.hpp"
#include "sched/worker.hpp"

/// The steps are in file_pool.hpp.

namespace ringo::detail {

void file_pool::open(std::uint32_t cpus) noexcept {
  constexpr std::array<std::uint32_t, 2> bounds{threads_max, sync_threads_max};
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    spin_guard guard(lanes_[i].lock);
    lanes_[i].count_max = std::min(2 * cpus, bounds[i]);
    lanes_[i].free = 0;
    lanes_[i].is_open = true;
  }
  ended_.store(0);
}

file_pool::place file_pool::queue(lane& in, operation& op) noexcept {
  spin_guard guard(in.lock);
  if (!in.is_open || current_worker()->abandoned()) return place::refused;
  in.queued.push_back(&op);
  ++in.length;
  in.bell.fetch_add(1);
  if (in.length <= in.free + in.asked_for || in.count >= in.count_max) return place::queued;
  ++in.asked_for;
  ++in.unstarted;
  ++in.count;
  return place::queued_for_a_new_thread;
}

void file_pool::start(operation& op) noexcept {
  lane& in = lane_of(op);
  op.home = this;
  owner_.expect_outside(1);
  switch (queue(in, op)) {
    case place::refused: owner_.expect_outside(-1); break;
    case place::queued: futex_wake(in.bell, 1); break;
    case place::queued_for_a_new_thread:
      owner_.expect_outside(1);
      futex_wake(in.bell, 1);
      owner_.call_caller();
      break;
  }
}

fiber* file_pool::cancel(operation& op) noexcept {
  if (!op.call_off()) return nullptr;
  lane& in = lane_of(op);
  bool queued = false;
  {
    spin_guard guard(in.lock);
    queued = op.linked;
    if (queued) {
      in.queued.erase(&op);
      --in.length;
    }
  }
  fiber* const who = op.who;
  if (queued) {
    op.result = -ECANCELED;
    // The caller has a hold.
    static_cast<void>(op.let_go());
    owner_.expect_outside(-1);  // the caller is awake
  }
  return op.let_go() ? who : nullptr;
}

/// Blocks. Null: the run has ended.
operation* file_pool::next(thread& self) noexcept {
  lane& in = self.of;
  for (;;) {
    std::uint32_t seen = 0;
    {
      spin_guard guard(in.lock);
      if (!in.is_open) return nullptr;
      if (operation* op = in.queued.pop_front()) {
        --in.length;
        --in.free;
        self.running.store(op);
        self.fate.store(thread::state::busy);
        return op;
      }
      seen = in.bell.load();
    }
    futex_wait(in.bell, seen, nanoseconds(-1));
  }
}

/// False: the run has given up on this thread.
bool file_pool::carry_out(thread& self, operation& op) noexcept {
  using state = thread::state;
  const std::int64_t result = op.call(op);
  state expected = state::busy;
  if (!self.fate.compare_exchange_strong(expected, state::idle)) return false;
  {
    spin_guard guard(self.of.lock);
    ++self.of.free;
  }
  op.result = result;
  fiber* const who = op.who;
  if (op.let_go()) ready(who);
  owner_.expect_outside(-1);
  return true;
}

void file_pool::serve(thread& self) noexcept {
  {
    spin_guard guard(self.of.lock);
    if (self.of.is_open) --self.of.asked_for;
    ++self.of.free;
  }
  while (operation* op = next(self)) {
    if (carry_out(self, *op)) continue;
    for (;;) ::pause();
  }
  ended_.fetch_add(1);
  futex_wake(ended_, 1);
}

void file_pool::start_threads() noexcept {
  for (lane& in : lanes_) {
    std::uint32_t missing = 0;
    {
      spin_guard guard(in.lock);
      missing = std::exchange(in.unstarted, 0);
    }
    for (; missing > 0; --missing) {
      start_thread(in);
      owner_.expect_outside(-1);
    }
  }
}

void file_pool::start_thread(lane& in) noexcept {
  const auto body = [](void* subject) -> void* {
    auto& self = *static_cast<thread*>(subject);
    const auto id = static_cast<std::uint32_t>(::syscall(SYS_gettid));
    self.pool.owner_.adopt_thread(static_cast<std::int32_t>(id));
    self.id.store(id);
    futex_wake(self.id, 1);
    self.pool.serve(self);
    return nullptr;
  };
  thread& made = *in.threads.emplace_back(std::make_unique<thread>(*this, in));
  // Quiet also so that no call ends early.
  if (start_quiet_thread(made.handle, "ringo-file", body, &made) != 0) {
    fatal("thread limit reached: the kernel refuses another thread (RLIMIT_NPROC or pids.max)");
  }
  // Or else a deadlock report might be held back by this stranger.
  while (made.id.load() == 0) futex_wait(made.id, 0, nanoseconds(-1));
}

void file_pool::close_lanes() noexcept {
  for (lane& in : lanes_) {
    std::uint32_t unstarted = 0;
    {
      spin_guard guard(in.lock);
      in.is_open = false;
      in.bell.fetch_add(1);
      unstarted = std::exchange(in.unstarted, 0);
      in.asked_for = 0;
      in.count = 0;
    }
    if (unstarted != 0) owner_.expect_outside(-static_cast<int>(unstarted));
    futex_wake(in.bell, INT_MAX);
  }
}

void file_pool::wait_for_threads(time_point until) noexcept {
  const std::size_t count = lanes_[0].threads.size() + lanes_[1].threads.size();
  for (;;) {
    const std::uint32_t ended = ended_.load();
    const auto patience = until - steady_clock::now();
    if (ended == count || patience.count() <= 0) return;
    futex_wait(ended_, ended, patience);
  }
}

std::vector<file_pool::leftover> file_pool::stop(time_point until) noexcept {
  using state = thread::state;
  close_lanes();
  wait_for_threads(until);
  std::vector<leftover> left;
  for (lane& in : lanes_) {
    for (auto& one : std::exchange(in.threads, {})) {
      const auto id = static_cast<std::int32_t>(one->id.load());
      state expected = state::busy;
      if (one->fate.compare_exchange_strong(expected, state::abandoned)) {
        left.push_back({id, one->running.load()->who});
        ::pthread_detach(one->handle);
        static_cast<void>(one.release());  // the thread's for ever
        owner_.expect_outside(-1);
      } else {
        ::pthread_join(one->handle, nullptr);
      }
      owner_.disown_thread(id);
    }
  }
  return left;
}

}  // namespace ringo::detail
