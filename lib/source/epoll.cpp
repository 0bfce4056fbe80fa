#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <ctime>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ringo/detail/assert.hpp>

#include "fiber/sanitizer.hpp"
#include "source/engine.hpp"
#include "source/poll_entry.hpp"
#include "source/wake_event.hpp"

/// The epoll engine: it carries out nothing by itself, but says when an operation can be tried
/// again. The kernel never holds a buffer, so a cancelled operation ends at once.
///
/// The words of poll_entry.hpp are all there is to agree on: any thread may fetch events from the
/// set and apply them.

namespace ringo::detail {
namespace {

constexpr int events_max = engine::batch_max;
constexpr std::uint32_t readable = EPOLLIN | EPOLLRDHUP | EPOLLPRI;
constexpr std::uint32_t failed = EPOLLHUP | EPOLLERR;

using entry_direction = poll_entry::direction;

entry_direction direction_of(const operation& op) noexcept {
  return (op.events & EPOLLIN) != 0 ? poll_entry::reading : poll_entry::writing;
}

class epoll_engine final : public engine {
 public:
  epoll_engine() noexcept : engine(true) {}
  ~epoll_engine() override {
    if (epoll_ >= 0) ::close(epoll_);
  }

  std::error_code open() noexcept {
    if (auto error = wake_.open()) return error;
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.ptr = nullptr;  // null: the wake event, which says nothing but "look again"
    if (epoll_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_.fd(), &event) != 0) {
      return {errno, std::system_category()};
    }
    return {};
  }

  void wait(time_point deadline, fiber_queue& ended) noexcept override {
    std::array<epoll_event, events_max> events;
    if (!wake_.sleep_begins()) deadline = time_point::min();
    count_call();
    const int count = epoll_wait_until(events.data(), deadline);
    wake_.sleep_ends();
    if (count > 0) apply(events.data(), static_cast<std::size_t>(count), ended);
  }

  /// Without anything under way there is nothing to fetch, and no system call is made.
  void reap(fiber_queue& ended) noexcept override {
    if (!busy() && !took_along_.load()) return;
    std::array<epoll_event, events_max> events;
    count_call();
    const int count = ::epoll_wait(epoll_, events.data(), events_max, 0);
    if (count > 0 && apply(events.data(), static_cast<std::size_t>(count), ended)) wake_.taken();
  }

  void wake() noexcept override { wake_.signal(); }

  int fd() const noexcept override { return epoll_; }

  void start(operation& op) noexcept override {
    const int error = enlist(op);
    // The engine whose set the descriptor is in: where its events come from.
    epoll_engine* const home = error == 0 ? home_of(*op.entry) : this;
    op.home = home;
    home->waiting_.fetch_add(1);
    if (error != 0) return home->finish(op, -error);
    std::atomic<std::uintptr_t>& word = op.entry->waiting[direction_of(op)];
    std::uintptr_t seen = poll_entry::nobody;
    sanitizer_release(&op);
    if (word.compare_exchange_strong(seen, reinterpret_cast<std::uintptr_t>(&op))) return;
    RINGO_VERIFY(seen == poll_entry::ready);  // one operation for each direction
    word.compare_exchange_strong(seen, poll_entry::nobody);
    home->finish(op, -EAGAIN);
  }

  [[nodiscard]] fiber* cancel(operation& op) noexcept override {
    if (!op.call_off()) return nullptr;
    auto self = reinterpret_cast<std::uintptr_t>(&op);
    fiber* const who = op.who;
    if (op.entry->waiting[direction_of(op)].compare_exchange_strong(self, poll_entry::nobody)) {
      finish(op, -ECANCELED);
    }
    return op.let_go() ? who : nullptr;
  }

  /// Whoever still waits here is taken out of its entry by the end of the run.
  void cancel_all(fiber_queue& /*ended*/) noexcept override {}

  /// Exact for whoever knows that no fiber runs.
  bool busy() const noexcept override { return waiting_.load() != 0; }

  void handed_over(std::uint32_t count) noexcept override {
    if (count != 0) waiting_.fetch_sub(count);
  }

  std::uint64_t calls() const noexcept override {
    return calls_.load(std::memory_order_relaxed);  // relaxed: a statistic
  }
  std::uint64_t completions() const noexcept override {
    return completions_.load(std::memory_order_relaxed);  // relaxed: a statistic
  }

  void forget(poll_entry& entry) noexcept override RINGO_NO_THREAD_SAFETY {
    home_of(entry)->control(EPOLL_CTL_DEL, number_of(entry), nullptr);
  }

 private:
  int epoll_ = -1;
  wake_event wake_;
  std::atomic<std::uint32_t> waiting_{0};  // operations under way, see busy()
  // Of descriptors that came from elsewhere: who waits for them since before counts there.
  std::atomic<bool> took_along_{false};
  std::atomic<std::uint64_t> calls_{0};        // atomic: any thread may reap, or add a descriptor
  std::atomic<std::uint64_t> completions_{0};  // atomic: as above

  void count_call() noexcept {
    calls_.fetch_add(1, std::memory_order_relaxed);  // relaxed: a statistic
  }
  int control(int what, int fd, epoll_event* event) noexcept {
    count_call();
    return ::epoll_ctl(epoll_, what, fd, event);
  }

  void finish(operation& op, int result) noexcept {
    op.result = result;
    waiting_.fetch_sub(1);
    // The departure or the canceller that this was called from has a hold.
    [[maybe_unused]] const bool last = op.let_go();
    RINGO_ASSERT(!last);
  }

  static epoll_engine* home_of(const poll_entry& entry) noexcept {
    return static_cast<epoll_engine*>(entry.home.load());
  }

  static int number_of(const poll_entry& entry) noexcept RINGO_REQUIRES(entry.lock) {
    return entry.duplicate >= 0 ? entry.duplicate : entry.fd;
  }

  /// What the set is to tell of the descriptor.
  static epoll_event wanted(const operation& op) noexcept {
    epoll_event event{};
    event.events = op.one_shot ? op.events | EPOLLRDHUP | EPOLLONESHOT
                               : static_cast<std::uint32_t>(readable | EPOLLOUT | EPOLLET);
    event.data.ptr = op.entry;
    return event;
  }

  /// 0, or why the descriptor cannot be waited for.
  int enlist(operation& op) noexcept {
    poll_entry& entry = *op.entry;
    if (entry.generation.load() == engine_generation()) {
      if (RINGO_UNLIKELY(!home_of(entry)->attended()) && attended()) move_here(op);
      return 0;
    }
    spin_guard guard(entry.lock);
    if (entry.generation.load() == engine_generation()) return 0;
    entry.leave_set();  // of a run that has ended
    epoll_event event = wanted(op);
    if (control(EPOLL_CTL_ADD, op.fd, &event) != 0) {
      if (errno != EEXIST) return errno;
      // Somebody else waits for the same descriptor; the set tells two numbers of it apart.
      entry.duplicate = ::fcntl(op.fd, F_DUPFD_CLOEXEC, 0);
      if (entry.duplicate < 0) return errno;
      if (control(EPOLL_CTL_ADD, entry.duplicate, &event) != 0) {
        const int error = errno;
        entry.leave_set();
        return error;
      }
    }
    entry.fd = op.fd;
    entry.home.store(this);
    entry.one_shot.store(op.one_shot);
    entry.generation.store(engine_generation());
    return 0;
  }

  /// For as long as it is in both sets, an edge is told twice. Who waits in the other direction is
  /// found by the entry, whichever set tells of it. Refused: it stays where it is.
  void move_here(operation& op) noexcept {
    poll_entry& entry = *op.entry;
    spin_guard guard(entry.lock);
    epoll_engine* const before = home_of(entry);
    if (before == this) return;
    epoll_event event = wanted(op);
    if (control(EPOLL_CTL_ADD, number_of(entry), &event) != 0) return;
    took_along_.store(true);
    entry.home.store(this);
    before->control(EPOLL_CTL_DEL, number_of(entry), nullptr);
  }

  /// True: the wake event was among them.
  bool apply(const epoll_event* events, std::size_t count, fiber_queue& ended) noexcept {
    bool woken = false;
    std::array<operation*, std::size_t{2} * events_max> ready;
    std::size_t found = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (i + fetch_ahead < count) __builtin_prefetch(events[i + fetch_ahead].data.ptr, 1);
      auto* const entry = static_cast<poll_entry*>(events[i].data.ptr);
      woken |= entry == nullptr;
      if (entry != nullptr) found = take_waiting(*entry, events[i].events, ready.data(), found);
    }
    end_all(ready.data(), found, ended);
    return woken;
  }

  /// Puts the operations that waited for these events into `ready`, behind the `found` ones.
  static std::size_t take_waiting(poll_entry& entry,
                                  std::uint32_t events,
                                  operation** ready,
                                  std::size_t found) noexcept {
    if ((events & (EPOLLRDHUP | EPOLLPRI | failed)) != 0) entry.hung_up.store(true);
    const bool both = (events & failed) != 0 || entry.one_shot.load();
    const auto announce = [&](entry_direction d) {
      operation* const op = announced(entry.waiting[d]);
      if (op == nullptr) return;
      prefetch(*op);
      ready[found++] = op;
    };
    if (both || (events & readable) != 0) announce(poll_entry::reading);
    if (both || (events & EPOLLOUT) != 0) announce(poll_entry::writing);
    return found;
  }

  /// The operation that waited, if any; else the word remembers the event.
  static operation* announced(std::atomic<std::uintptr_t>& word) noexcept {
    std::uintptr_t seen = word.load();
    for (;;) {
      if (seen == poll_entry::ready) return nullptr;
      const bool found = seen != poll_entry::nobody;
      if (word.compare_exchange_weak(seen, found ? poll_entry::nobody : poll_entry::ready)) break;
    }
    return reinterpret_cast<operation*>(seen);  // null: nobody
  }

  /// "Try again", to all of them.
  void end_all(operation** ready, std::size_t count, fiber_queue& ended) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
      if (i + fetch_ahead < count) __builtin_prefetch(ready[i + fetch_ahead]->who, 1);
      end(*ready[i], ended);
    }
    completions_.fetch_add(count, std::memory_order_relaxed);  // relaxed: a statistic
  }

  void end(operation& op, fiber_queue& ended) noexcept {
    sanitizer_acquire(&op);
    op.result = -EAGAIN;
    // An event that was fetched before the entry went to its present owner.
    if (op.home != this) {
      waiting_.fetch_add(1);
      static_cast<epoll_engine*>(op.home)->waiting_.fetch_sub(1);
    }
    fiber* const who = op.who;
    if (op.let_go()) {
      ended.push(who);  // counted until handed_over()
    } else {
      waiting_.fetch_sub(1);
    }
  }

  int epoll_wait_until(epoll_event* events, time_point deadline) noexcept {
    if (deadline == never) return ::epoll_wait(epoll_, events, events_max, -1);
    const auto left = time_left(deadline);
#ifdef SYS_epoll_pwait2
    std::timespec limit{};
    limit.tv_sec = static_cast<std::time_t>(left.count() / 1'000'000'000);
    limit.tv_nsec = static_cast<long>(left.count() % 1'000'000'000);
    const long count = ::syscall(SYS_epoll_pwait2, epoll_, events, events_max, &limit, nullptr, 0);
    if (count >= 0 || errno != ENOSYS) return static_cast<int>(count);
#endif
    // Linux before 5.11: a millisecond is the smallest step, and waking early would spin.
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    return ::epoll_wait(epoll_, events, events_max, static_cast<int>(std::min<long>(ms, INT_MAX)));
  }
};

}  // namespace

std::unique_ptr<engine> make_epoll_engine(std::error_code& error) {
  auto made = std::make_unique<epoll_engine>();
  error = made->open();
  if (error) return nullptr;
  return made;
}

}  // namespace ringo::detail
