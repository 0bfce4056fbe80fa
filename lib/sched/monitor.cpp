#include "sched/monitor.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ringo/error.hpp>

#include "base/futex.hpp"
#include "base/quiet_thread.hpp"
#include "sched/scheduler.hpp"
#include "sched/thread_stat.hpp"
#include "sched/worker.hpp"

/// The steps are in monitor.hpp.

namespace ringo::detail {
namespace {

constexpr int events_max = 16;

constexpr std::uint32_t computing_max = 8;  // or twice the tokens: see the top of monitor.hpp

bool wants_cpu(std::int32_t thread) noexcept {
  return thread_stat(thread).wants_cpu();
}

/// What a thread has used of its CPUs; none for one that is gone.
nanoseconds cpu_time(std::int32_t thread) noexcept {
  // As the C library's pthread_getcpuclockid(3): a thread's clock, of what the scheduler counts.
  const auto clock = static_cast<clockid_t>(~static_cast<std::uint32_t>(thread) << 3 | 6U);
  std::timespec used{};
  if (::clock_gettime(clock, &used) != 0) return {};
  return std::chrono::seconds(used.tv_sec) + nanoseconds(used.tv_nsec);
}

}  // namespace

void monitor::start() {
  if (set_ < 0) {
    set_ = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.ptr = nullptr;
    if (set_ < 0 || bell_.open() || ::epoll_ctl(set_, EPOLL_CTL_ADD, bell_.fd(), &event) != 0) {
      fatal("thread limit reached: no descriptors for the monitor (RLIMIT_NOFILE)");
    }
  }
  records_.clear();
  wanted_.store(phase::watching);
  reached_.store(static_cast<std::uint32_t>(phase::off));
  const auto body = [](void* self) -> void* {
    static_cast<monitor*>(self)->run();
    return nullptr;
  };
  if (start_quiet_thread(thread_, "ringo-monitor", body, this) != 0) {
    fatal("thread limit reached: the kernel refuses another thread (RLIMIT_NPROC or pids.max)");
  }
  // Or else a deadlock report might be held back by this stranger.
  wait_until_reached(phase::watching);
}

void monitor::pause() noexcept {
  ask_for(phase::paused);
}

void monitor::stop() noexcept {
  ask_for(phase::ended);
  ::pthread_join(thread_, nullptr);
}

void monitor::ask_for(phase there) noexcept {
  wanted_.store(there);
  bell_.signal();
  wait_until_reached(there);
}

void monitor::wait_until_reached(phase there) const noexcept {
  for (;;) {
    const std::uint32_t reached = reached_.load();
    if (reached == static_cast<std::uint32_t>(there)) return;
    futex_wait(reached_, reached, nanoseconds(-1));
  }
}

void monitor::reach(phase there) noexcept {
  reached_.store(static_cast<std::uint32_t>(there));
  futex_wake(reached_, 1);
}

void monitor::run() noexcept {
  const auto self = static_cast<std::int32_t>(::syscall(SYS_gettid));
  owner_.adopt_thread(self);
  reach(phase::watching);
  while (wanted_.load() == phase::watching) {
    look_around();
    if (somebody_runs_) {
      wait(std::min(next_timer(), steady_clock::now() + interval));
    } else {
      sleep();
    }
  }
  for (std::uint32_t i = 0; i < records_.size(); ++i) {
    wait_for_engine(*owner_.worker_at(i), records_[i], false);
  }
  reach(phase::paused);
  // What it has submitted is finished by this thread.
  while (wanted_.load() == phase::paused) wait(never);
  owner_.disown_thread(self);
  reach(phase::ended);
}

void monitor::look_around() noexcept {
  const spin_guard guard(looking_);
  const time_point now = steady_clock::now();
  const std::uint32_t count = owner_.worker_count();
  if (records_.size() < count) records_.resize(count);
  somebody_runs_ = false;
  too_many_compute_.reset();
  for (std::uint32_t i = 0; i < count; ++i) look_at(*owner_.worker_at(i), records_[i], now);
}

void monitor::look_at(worker& w, record& known, time_point now) noexcept {
  const std::uint64_t ticks = w.ticks();
  const bool moved = ticks != known.ticks || known.since == time_point{};
  const bool polled = ticks / worker::poll_interval != known.ticks / worker::poll_interval;
  const bool in_fiber = w.current() != nullptr;
  if (moved) {
    known.ticks = ticks;
    known.since = now;
    if (in_fiber) known.cpu = cpu_time(w.thread_id());
  }
  const bool blocked = w.is_blocked();
  known.absent = in_fiber && !moved && now - known.since >= (blocked ? interval : patience);
  wait_for_engine(w, known, known.absent);
  if (moved || (blocked ? !known.absent : w.is_active())) somebody_runs_ = true;
  if (known.absent != known.waited_for)
    somebody_runs_ = true;  // there is no room for it in the set
  if (known.absent || (in_fiber && moved && !polled)) serve(w, known, now);
  if (known.absent || blocked) relieve(w, known, now);
}

namespace {

/// Keeps a report of a deadlock back while fibers are in nobody's queue.
class in_hand {
 public:
  explicit in_hand(scheduler& s) noexcept : s_(s) { s_.expect_outside(1); }
  in_hand(const in_hand&) = delete;
  in_hand& operator=(const in_hand&) = delete;
  ~in_hand() { s_.expect_outside(-1); }

 private:
  scheduler& s_;
};

}  // namespace

void monitor::serve(worker& w, const record& known, time_point now) noexcept {
  constexpr int batches_max = 4096 / engine::batch_max;
  const bool late = known.absent && !w.is_blocked();
  if (w.timers().next() <= now) {
    const in_hand guard(owner_);
    fiber_queue ready_fibers;
    w.timers().expire(now, ready_fibers);
    while (fiber* f = ready_fibers.pop()) owner_.inject(f);
  }
  if (known.absent) w.source().submit_for_owner();  // what leave() was refused, too
  // To the end: the descriptor tells of what is new only.
  bool more = true;
  for (int batch = 0; more && batch < batches_max; ++batch) {
    fiber_queue ended;
    more = w.source().reap(ended);
    owner_.inject_ended(w.source(), ended);
  }
  if (more) somebody_runs_ = true;
  if (late) take_queued(w);
}

/// Its operations count until its fibers are queued, what is taken here does not.
void monitor::take_queued(worker& w) noexcept {
  if (w.next_slot().empty() && (!w.is_marked() || w.queue().empty())) return;
  const in_hand guard(owner_);
  if (fiber* f = w.next_slot().rob()) owner_.inject(f);
  if (!w.is_marked()) return;
  run_queue loot;
  while (fiber* f = w.queue().steal_half(loot)) {
    owner_.inject(f);
    while (fiber* more = loot.pop()) owner_.inject(more);
  }
}

void monitor::relieve(worker& w, const record& known, time_point now) noexcept {
  if (w.is_marked() || !owner_.work_visible()) return;
  // A busy worker's queue is its own business, and that of thieves.
  if (!w.is_blocked() && owner_.injected().empty() && w.queue().empty()) return;
  if (owner_.gate().asleep() != 0) {
    if (owner_.gate().wake_needed()) owner_.wake_one();
    return;
  }
  if (now < no_relief_until_ || !may_relieve(w, known, now)) return;
  constexpr auto retry_interval = std::chrono::milliseconds(100);
  if (!owner_.relieve(w)) no_relief_until_ = now + retry_interval;
}

bool monitor::may_relieve(const worker& w, const record& known, time_point now) noexcept {
  if (w.is_blocked() || !wants_cpu(w.thread_id())) return true;
  if (cpu_time(w.thread_id()) - known.cpu < patience / 2) return false;
  return !too_many_compute() || now - known.since >= long_patience;
}

bool monitor::too_many_compute() noexcept {
  if (too_many_compute_) return *too_many_compute_;
  const std::uint32_t bound = std::max(computing_max, 2 * owner_.tokens());
  std::uint32_t count = 0;
  for (std::uint32_t i = 0; i < records_.size() && count < bound; ++i) {
    const worker& w = *owner_.worker_at(i);
    if (records_[i].absent && w.is_marked() && !w.is_blocked() && wants_cpu(w.thread_id())) ++count;
  }
  too_many_compute_ = count >= bound;
  return *too_many_compute_;
}

/// Of those that do not get to theirs.
time_point monitor::next_timer() const noexcept {
  time_point next = never;
  for (std::uint32_t i = 0; i < records_.size(); ++i) {
    if (records_[i].absent) next = std::min(next, owner_.worker_at(i)->timers().next());
  }
  return next;
}

void monitor::wait_for_engine(worker& w, record& known, bool wanted) noexcept {
  if (wanted == known.waited_for) return;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.ptr = &w;
  const int change = wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL;
  // Refused for want of memory or watches: it is tried again at the next look.
  // Past ThreadSanitizer: it would know the descriptor, and never hear of its end (liburing closes
  // a ring past it), so that whoever opens and closes that number next would seem to race.
  if (::syscall(SYS_epoll_ctl, set_, change, w.source().fd(), &event) == 0) {
    known.waited_for = wanted;
  }
}

bool monitor::any_runs() const noexcept {
  if (owner_.any_blocks_with_token() && !owner_.injected().empty()) return true;
  const std::uint32_t count = owner_.worker_count();
  for (std::uint32_t i = 0; i < count; ++i) {
    const worker& w = *owner_.worker_at(i);
    const bool settled =
        i < records_.size() && records_[i].absent && w.ticks() == records_[i].ticks;
    if (w.is_blocked() ? !settled : w.is_active()) return true;
  }
  return false;
}

void monitor::sleep() noexcept {
  asleep_.store(true);
  heavy_fence();  // pairs with stir()
  if (!any_runs() && wanted_.load() == phase::watching) wait(next_timer());
  asleep_.store(false);
}

void monitor::wait(time_point deadline) noexcept {
  std::array<epoll_event, events_max> events;
  if (deadline == never) {
    ::epoll_wait(set_, events.data(), events_max, -1);
    return;
  }
  const auto left = time_left(deadline);
  const std::timespec limit{static_cast<std::time_t>(left.count() / 1'000'000'000),
                            static_cast<long>(left.count() % 1'000'000'000)};
  if (::syscall(SYS_epoll_pwait2, set_, events.data(), events_max, &limit, nullptr, 0) >= 0 ||
      errno != ENOSYS) {
    return;
  }
  // Linux before 5.11: a millisecond is the smallest step.
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  ::epoll_wait(set_, events.data(), events_max, static_cast<int>(std::min<long>(ms, INT_MAX)));
}

}  // namespace ringo::detail
