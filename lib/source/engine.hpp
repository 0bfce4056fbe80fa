#pragma once

#include <memory>
#include <system_error>

#include "fiber/fiber.hpp"
#include "source/clock.hpp"
#include "source/timer_heap.hpp"

namespace ringo::detail {

/// What a worker sleeps in: an io_uring or an epoll set, with a wake event in it. Passive: it hands
/// back the fibers that became ready and knows nothing of a scheduler.
///
/// A wake-up is remembered: wake() before wait() makes that wait return at once. wait() may also
/// return for no reason.
class engine {
 public:
  engine() = default;
  engine(const engine&) = delete;
  engine& operator=(const engine&) = delete;
  virtual ~engine() = default;

  /// Sleeps until something completes, wake() is called, or `deadline` has passed; collects
  /// nothing. Owner only.
  virtual void wait(time_point deadline) noexcept = 0;

  /// Collects what has completed; never blocks. Any thread: it gives up when another one is at it.
  virtual void reap(fiber_queue& ready) noexcept = 0;

  /// Ends the owner's wait(). Any thread, and signal handlers.
  virtual void wake() noexcept = 0;
};

enum class engine_kind { io_uring, epoll };

/// Empty and `error` set when the kernel, a seccomp filter or a limit refuses.
std::unique_ptr<engine> make_engine(engine_kind kind, std::error_code& error);

std::unique_ptr<engine> make_epoll_engine(std::error_code& error);
std::unique_ptr<engine> make_ring_engine(std::error_code& error);

}  // namespace ringo::detail
