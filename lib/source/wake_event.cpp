#include "source/wake_event.hpp"

#include <cerrno>
#include <cstdint>

#include <sys/eventfd.h>
#include <unistd.h>

namespace ringo::detail {

wake_event::~wake_event() {
  if (fd_ >= 0) ::close(fd_);
}

std::error_code wake_event::open() noexcept {
  fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd_ < 0) return {errno, std::system_category()};
  return {};
}

void wake_event::signal() noexcept {
  const std::uint64_t one = 1;
  // Fails only when the counter is full, after 2^64 - 2 wake-ups.
  [[maybe_unused]] const auto written = ::write(fd_, &one, sizeof one);
}

}  // namespace ringo::detail
