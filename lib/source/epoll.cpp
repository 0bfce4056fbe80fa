#include "source/epoll.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>
#include <memory>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ringo::detail {
namespace {

constexpr int events_max = engine::batch_max;
static_assert(poll_entry::readable_events == (EPOLLIN | EPOLLRDHUP | EPOLLPRI));

epoll_engine& home_of(const poll_entry& entry) noexcept {
  return static_cast<epoll_engine&>(*entry.home.load());
}

int number_of(const poll_entry& entry) noexcept RINGO_REQUIRES(entry.lock) {
  return entry.duplicate >= 0 ? entry.duplicate : entry.fd;
}

/// What the set is to tell of the descriptor.
epoll_event wanted(poll_entry& entry, std::uint32_t once) noexcept {
  epoll_event event{};
  // Who waits to write alone does not go on when the other side will send no more.
  const std::uint32_t hang_up = (once & EPOLLIN) != 0 ? std::uint32_t{EPOLLRDHUP} : 0U;
  event.events =
      once != 0 ? once | hang_up | EPOLLONESHOT : poll_entry::readable_events | EPOLLOUT | EPOLLET;
  event.data.ptr = &entry;
  return event;
}

}  // namespace

epoll_engine::~epoll_engine() {
  if (epoll_ >= 0) ::close(epoll_);
}

/// What has no entry says nothing but "look again". Past ThreadSanitizer, which would know the
/// descriptor, and never hear of its end: liburing closes a ring past it.
int epoll_engine::watch(int fd) noexcept {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = this;
  return ::syscall(SYS_epoll_ctl, epoll_, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

std::error_code epoll_engine::open() noexcept {
  if (auto error = wake_.open()) return error;
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.ptr = nullptr;  // the wake event
  if (epoll_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_.fd(), &event) != 0) {
    return {errno, std::system_category()};
  }
  return {};
}

void epoll_engine::wait(time_point deadline, fiber_queue& ended) noexcept {
  events told;
  if (!wake_.sleep_begins()) deadline = time_point::min();
  count_call();
  const int count = wait_until(told, deadline);
  wake_.sleep_ends();
  if (count > 0) apply(told.data(), static_cast<std::size_t>(count), ended);
}

/// Without anything registered there is nothing to fetch, and no system call is made.
bool epoll_engine::reap(fiber_queue& ended) noexcept {
  if (registered_.load() == 0) return false;
  events told;
  count_call();
  const int count = ::epoll_wait(epoll_, told.data(), events_max, 0);
  if (count > 0 && apply(told.data(), static_cast<std::size_t>(count), ended)) wake_.taken();
  return count == events_max;
}

int epoll_engine::control(int what, int fd, epoll_event* event) noexcept {
  count_call();
  return ::epoll_ctl(epoll_, what, fd, event);
}

int epoll_engine::enlist_anew(poll_entry& entry, int fd, std::uint32_t once) noexcept {
  spin_guard guard(entry.lock);
  epoll_event event = wanted(entry, once);
  if (entry.generation.load() == engine_generation()) {
    if (!home_of(entry).attended() && attended()) move_here(entry, event);
    return 0;
  }
  entry.leave_set();  // of a run that has ended
  if (control(EPOLL_CTL_ADD, fd, &event) != 0) {
    if (errno != EEXIST) return -errno;
    // Somebody else waits for the same descriptor; the set tells two numbers of it apart.
    entry.duplicate = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (entry.duplicate < 0) return -errno;
    if (control(EPOLL_CTL_ADD, entry.duplicate, &event) != 0) {
      const int error = errno;
      entry.leave_set();
      return -error;
    }
  }
  registered_.fetch_add(1);
  entry.fd = fd;
  entry.home.store(this);
  entry.one_shot.store(once != 0);
  entry.generation.store(engine_generation());
  return 0;
}

/// For as long as it is in both sets, an edge is told twice. Who waits in the other direction is
/// found by the entry, whichever set tells of it. Refused: it stays where it is.
void epoll_engine::move_here(poll_entry& entry, epoll_event& event) noexcept {
  epoll_engine& before = home_of(entry);
  if (&before == this || control(EPOLL_CTL_ADD, number_of(entry), &event) != 0) return;
  registered_.fetch_add(1);
  entry.home.store(this);
  before.take_out(entry);
}

void epoll_engine::take_out(const poll_entry& entry) noexcept {
  control(EPOLL_CTL_DEL, number_of(entry), nullptr);
  registered_.fetch_sub(1);
}

/// True: the wake event was among them.
bool epoll_engine::apply(const epoll_event* told, std::size_t count, fiber_queue& ended) noexcept {
  bool woken = false;
  std::array<fiber*, std::size_t{2} * batch_max> waited;
  std::size_t found = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (i + fetch_ahead < count) __builtin_prefetch(told[i + fetch_ahead].data.ptr, 1);
    if (told[i].data.ptr == this) continue;
    auto* const entry = static_cast<poll_entry*>(told[i].data.ptr);
    woken |= entry == nullptr;
    if (entry != nullptr) found += entry->tell(told[i].events, waited.data() + found);
  }
  end_waits(waited.data(), found, ended);
  told_.fetch_add(found, std::memory_order_relaxed);  // relaxed: a statistic
  return woken;
}

int epoll_engine::wait_until(events& found, time_point deadline) noexcept {
  if (deadline == never) return ::epoll_wait(epoll_, found.data(), events_max, -1);
  const auto left = time_left(deadline);
#ifdef SYS_epoll_pwait2
  std::timespec limit{};
  limit.tv_sec = static_cast<std::time_t>(left.count() / 1'000'000'000);
  limit.tv_nsec = static_cast<long>(left.count() % 1'000'000'000);
  const long count =
      ::syscall(SYS_epoll_pwait2, epoll_, found.data(), events_max, &limit, nullptr, 0);
  if (count >= 0 || errno != ENOSYS) return static_cast<int>(count);
#endif
  // Linux before 5.11: a millisecond is the smallest step, and waking early would spin.
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return ::epoll_wait(
      epoll_, found.data(), events_max, static_cast<int>(std::min<long>(ms, INT_MAX)));
}

std::unique_ptr<engine> make_epoll_engine(std::error_code& error) {
  auto made = std::make_unique<epoll_engine>();
  error = made->open();
  if (error) return nullptr;
  return made;
}

}  // namespace ringo::detail
