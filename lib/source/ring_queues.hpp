#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <span>

#include <liburing.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ringo/detail/assert.hpp>
#include <ringo/detail/config.hpp>

#include "source/clock.hpp"
#include "source/ring_faults.hpp"

/// The two queues of a ring, in memory that the kernel shares.
///
/// liburing makes the ring and unmaps it; it never touches the queues. Its helpers take their
/// caller for the only reader of the completion queue, and may enter the kernel at any time.
///
/// Submission queue: slots [head, tail); the kernel moves the head while it takes entries, inside
/// of io_uring_enter; the owner fills a slot and moves the tail. The tail is published with each
/// entry, so that what has been queued is there for whoever enters: the owner, or another thread.
/// Then either may find that the other has handed over what it counted.
/// Completion queue: the kernel moves the tail, the holder of the engine's try-lock the head.

namespace ringo::detail {

/// A copy of a completion: the slot is the kernel's again once the head has moved.
struct ring_completion {
  std::uint64_t id;
  std::int32_t result;
};

class ring_queues {
 public:
  ring_queues() = default;
  ring_queues(const ring_queues&) = delete;
  ring_queues& operator=(const ring_queues&) = delete;
  ~ring_queues() {
    if (opened_) ::io_uring_queue_exit(&ring_);
  }

  /// 0 or -errno. Once, or again after it failed.
  int open(unsigned entries, io_uring_params& wanted) noexcept;

  io_uring& handle() noexcept { return ring_; }
  int fd() const noexcept { return ring_.ring_fd; }
  std::uint32_t features() const noexcept { return features_; }

  void set_faults(ring_faults* faults) noexcept { faults_ = faults; }

  // The owner's.
  /// How many entries the kernel has not taken yet.
  unsigned unsubmitted() const noexcept {
    // relaxed: the owner's own
    return tail_.load(std::memory_order_relaxed) - load(ring_.sq.khead);
  }
  bool has_room(unsigned wanted) const noexcept { return sq_entries_ - unsubmitted() >= wanted; }
  unsigned size() const noexcept { return sq_entries_; }

  /// There is room. Not instrumented: the owner's thread orders what its fibers write here.
  RINGO_NO_TSAN void push(const io_uring_sqe& entry) noexcept {
    const unsigned tail = tail_.load(std::memory_order_relaxed);  // relaxed: the owner's own
    ring_.sq.sqes[tail & (sq_entries_ - 1)] = entry;
    tail_.store(tail + 1, std::memory_order_relaxed);  // relaxed: the owner's own
    std::atomic_ref<unsigned>(*ring_.sq.ktail)
        .store(tail + 1, std::memory_order_release);  // pairs with the kernel's load
  }

  /// Hands over everything queued. False: the kernel does not take it now.
  bool submit() noexcept;

  /// Hands over everything queued, and sleeps until there are `wanted` completions or the time is
  /// over. Returns -errno, or what was taken.
  int submit_and_wait(unsigned wanted, time_point deadline) noexcept {
    return enter_until(unsubmitted(), wanted, deadline);
  }
  /// The same, but hands over nothing.
  int wait(time_point deadline) noexcept { return enter_until(0, 1, deadline); }

  /// See engine::shared_memory().
  std::array<std::span<const std::byte>, 3> shared_memory() const noexcept;

  // Anybody's.
  /// Hands over what the owner has queued so far; once. The kernel takes one caller at a time.
  void submit_for_owner() noexcept;
  /// True: the kernel holds completions back, for lack of room or until the owner comes by.
  bool attention_due() const noexcept {
    return (load(ring_.sq.kflags) & (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN)) != 0;
  }
  std::uint64_t calls() const noexcept {
    return calls_.load(std::memory_order_relaxed);  // relaxed: a statistic
  }
  bool overflown() const noexcept { return (load(ring_.sq.kflags) & IORING_SQ_CQ_OVERFLOW) != 0; }
  /// Makes the kernel post what it holds back.
  void fetch() noexcept { enter(0, 0, IORING_ENTER_GETEVENTS, nullptr, _NSIG / 8); }

  /// A snapshot: whoever takes the completions at the same time sees to them.
  bool completion_pending() const noexcept { return load(ring_.cq.khead) != load(ring_.cq.ktail); }

  // Under the engine's try-lock.
  /// Copies what has completed, up to `max`; it stays there until advance().
  unsigned peek(ring_completion* out, unsigned max) const noexcept {
    const unsigned head = load(ring_.cq.khead);
    const unsigned count = std::min(load(ring_.cq.ktail) - head, max);
    for (unsigned i = 0; i < count; ++i) {
      const io_uring_cqe& from = ring_.cq.cqes[(head + i) & (cq_entries_ - 1)];
      out[i] = {from.user_data, from.res};
    }
    return count;
  }
  void advance(unsigned count) noexcept {
    std::atomic_ref<unsigned>(*ring_.cq.khead)
        .store(load(ring_.cq.khead) + count,
               std::memory_order_release);  // pairs with the kernel's load
  }

 private:
  io_uring ring_{};
  unsigned sq_entries_ = 0;  // powers of two; immutable once opened
  unsigned cq_entries_ = 0;
  std::uint32_t features_ = 0;
  bool opened_ = false;
  ring_faults* faults_ = nullptr;  // immutable once in use; null: none
  // Atomic: the fibers of one thread are threads to ThreadSanitizer.
  std::atomic<unsigned> tail_{0};
  std::atomic<std::uint64_t> calls_{0};  // atomic: any thread may enter for the owner

  static unsigned load(unsigned* word) noexcept {
    // pairs with the kernel's stores, and with advance()
    return std::atomic_ref<unsigned>(*word).load(std::memory_order_acquire);
  }

  /// Beside a system call it costs nothing.
  void count_call() noexcept {
    calls_.fetch_add(1, std::memory_order_relaxed);  // relaxed: a statistic
  }
  int enter(unsigned count,
            unsigned wanted,
            unsigned flags,
            const void* argument,
            std::size_t size) noexcept;
  int enter_until(unsigned count, unsigned wanted, time_point deadline) noexcept;
};

}  // namespace ringo::detail
