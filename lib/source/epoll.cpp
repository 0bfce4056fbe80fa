#include <array>
#include <cerrno>
#include <climits>
#include <ctime>

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "source/engine.hpp"
#include "source/wake_event.hpp"

namespace ringo::detail {
namespace {

constexpr int events_max = 64;

class epoll_engine final : public engine {
 public:
  ~epoll_engine() override {
    if (epoll_ >= 0) ::close(epoll_);
  }

  std::error_code open() noexcept {
    if (auto error = wake_.open()) return error;
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.ptr = nullptr;  // null: the wake event
    if (epoll_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_.fd(), &event) != 0) {
      return {errno, std::system_category()};
    }
    return {};
  }

  // The wake event says nothing but "look again", which the caller of wait() does anyway.
  void wait(time_point deadline) noexcept override {
    std::array<epoll_event, events_max> events;
    epoll_wait_until(events.data(), deadline);
  }
  void reap(fiber_queue& /*ready*/) noexcept override {}
  void wake() noexcept override { wake_.signal(); }

 private:
  int epoll_ = -1;
  wake_event wake_;

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
