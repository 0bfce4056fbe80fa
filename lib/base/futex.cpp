#include "base/futex.hpp"

#include <ctime>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ringo::detail {

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));

void futex_wait(const std::atomic<std::uint32_t>& word,
                std::uint32_t expected,
                std::chrono::nanoseconds timeout) noexcept {
  std::timespec limit{};
  const std::timespec* relative = nullptr;
  if (timeout.count() >= 0) {
    limit.tv_sec = static_cast<std::time_t>(timeout.count() / 1'000'000'000);
    limit.tv_nsec = static_cast<long>(timeout.count() % 1'000'000'000);
    relative = &limit;
  }
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, relative, nullptr, 0);
}

void futex_wake(const std::atomic<std::uint32_t>& word, int count) noexcept {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

}  // namespace ringo::detail
