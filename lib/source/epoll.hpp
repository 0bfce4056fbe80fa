#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <system_error>

#include <sys/epoll.h>

#include "source/engine.hpp"
#include "source/poll_entry.hpp"
#include "source/wake_event.hpp"

/// The epoll engine: it carries out nothing by itself, but says when a call can be tried again. The
/// kernel never holds a buffer, so that a wait which is called off ends at once.
///
/// The words of poll_entry.hpp are all there is to agree on: any thread may fetch events from the
/// set and apply them.

namespace ringo::detail {

class epoll_engine : public engine {
 public:
  epoll_engine() noexcept : epoll_engine(nullptr) {}
  ~epoll_engine() override;

  std::error_code open() noexcept;

  void wait(time_point deadline, fiber_queue& ended) noexcept override;
  bool reap(fiber_queue& ended) noexcept override;
  void wake() noexcept override { wake_.signal(); }
  int fd() const noexcept override { return epoll_; }
  std::uint64_t calls() const noexcept override {
    return calls_.load(std::memory_order_relaxed);  // relaxed: a statistic
  }
  std::uint64_t completions() const noexcept override {
    return told_.load(std::memory_order_relaxed);  // relaxed: a statistic
  }
  void forget(poll_entry& entry) noexcept override RINGO_REQUIRES(entry.lock) { take_out(entry); }

 protected:
  explicit epoll_engine(carrier* operations) noexcept : engine(operations) {}

  /// Ends wait(), as long as the descriptor is readable. 0 or -errno.
  int watch(int fd) noexcept;

  /// wake() where the owner sleeps or is about to; costs nothing where it is busy.
  void rouse() noexcept { wake_.taken(); }

 private:
  using events = std::array<epoll_event, batch_max>;

  int epoll_ = -1;
  wake_event wake_;
  std::atomic<std::uint32_t> registered_{0};  // entries. Atomic: any thread may close one
  std::atomic<std::uint64_t> calls_{0};       // atomic: any thread may reap, or add a descriptor
  std::atomic<std::uint64_t> told_{0};        // waits that it has ended; atomic: as above

  void count_call() noexcept {
    calls_.fetch_add(1, std::memory_order_relaxed);  // relaxed: a statistic
  }
  int control(int what, int fd, epoll_event* event) noexcept;
  int enlist_anew(poll_entry& entry, int fd, std::uint32_t once) noexcept override;
  void move_here(poll_entry& entry, epoll_event& event) noexcept RINGO_REQUIRES(entry.lock);
  void take_out(const poll_entry& entry) noexcept RINGO_REQUIRES(entry.lock);
  bool apply(const epoll_event* told, std::size_t count, fiber_queue& ended) noexcept;
  int wait_until(events& found, time_point deadline) noexcept;
};

}  // namespace ringo::detail
