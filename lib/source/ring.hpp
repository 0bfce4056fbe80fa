#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include <pthread.h>

#include <ringo/detail/intrusive_list.hpp>
#include <ringo/detail/spinlock.hpp>

#include "source/carrier.hpp"
#include "source/epoll.hpp"
#include "source/ring_queues.hpp"
#include "source/ring_setup.hpp"

/// The io_uring engine: a ring that carries out operations, beside an epoll set.
///
/// The owner sleeps in the set, where the ring is readable while there are completions: what needs
/// no operation does not pay for one. Two kinds of waits need none:
/// - Whoever receives from a stream of TCP waits for readiness. A ring takes a request, a poll
///   and a message for each receive, which with many connections come out of a slow cache.
/// - So does whoever waits for room to write. A ring's poll ends as well when the other side has
///   sent its end, however little room there is: the kernel tries in vain, and then keeps a thread
///   for such a send.
///
/// The submission queue is the owner's: a request belongs to the thread that submitted it, and is
/// finished in that thread's context. The completion queue is anybody's, under a one-word try-lock,
/// so that a worker which computes for long does not hold back what has completed.
///
/// Invariants:
/// - An operation that was started is in exactly one place: in `waiting_`, in the kernel (queued,
///   armed or being done), in the completion queue, or in the hands of whoever reaps it. It leaves
///   the last one by its own completion only; those of requests to cancel mean nothing.
/// - `started_ - completed_` counts them.
/// - The user_data of an operation is its ticket: its address, and a number that tells it from
///   earlier ones at this address, in the 19 bits that an address does not use.
/// - What the kernel hands to the holder of the try-lock is copied before the head moves.
///
/// Starting and completing:
/// 1. start(): ticket; the entry goes into the submission queue. If that is full even after a
///    submission, the operation goes onto `waiting_`, where later ones line up behind it.
/// 2. reap() by the owner, leave() and wait(): what waits is queued, everything queued is
///    submitted. Another thread does it by submit_for_owner(): the owner may be busy for long. The
///    request is that thread's then.
/// 3. The kernel posts a completion, in the owner's context.
/// 4. Whoever has the try-lock copies a bounded number of completions, moves the head, counts, lets
///    go of the lock, and then completes the operations.
/// 5. -EAGAIN is a result like others: the kernel cannot wait for this kind of file by itself. The
///    fiber then starts an operation that polls.
///
/// Cancelling:
/// 1. By the owner: a request to cancel goes into the submission queue, behind the operation. The
///    kernel takes them in that order, so that the operation need not be kept for it: should it
///    have ended and its frame begun another operation, the ticket is another one.
/// 2. By others, or if there is no room: onto `mail_`, with the canceller's hold, and the owner is
///    woken.
/// 3. The owner does 1 for each letter, and lets go.
/// 4. reap() by another thread tries to do it by a system call of its own (Linux 6.0). Where the
///    kernel does not know the operation it has ended, or is not known yet. Then the letter goes
///    back, unless its hold is the only one left.
/// 5. An operation that is queued late (from `waiting_`) and was called off meanwhile is followed
///    by a request to cancel it at once: the letter's may have come before it.
/// What found no room in a stuck owner's queue cannot be cancelled by others, nor can what its
/// kernel threads do (files), nor anything before Linux 6.0: such a cancellation waits for the
/// owner.

namespace ringo::detail {

/// A pile of operations, which anybody may put there and take away. Linked through `Link`.
template <operation* operation::*Link>
class operation_stack {
 public:
  // relaxed: a snapshot; who needs to know is woken after the push
  bool empty() const noexcept { return head_.load(std::memory_order_relaxed) == nullptr; }

  /// True: it was empty.
  bool push(operation& op) noexcept {
    operation* head = head_.load();
    do {
      op.*Link = head;
    } while (!head_.compare_exchange_weak(head, &op));
    return head == nullptr;
  }

  /// All of them, in the order in which they came.
  operation* take_all() noexcept {
    operation* newest = head_.exchange(nullptr);
    operation* oldest = nullptr;
    while (newest != nullptr) {
      operation* next = newest->*Link;
      newest->*Link = oldest;
      oldest = newest;
      newest = next;
    }
    return oldest;
  }

 private:
  std::atomic<operation*> head_{nullptr};
};

class ring_engine final : public epoll_engine, public carrier {
 public:
  /// `faults`: null, or how it is to misbehave.
  explicit ring_engine(const ring_fault_plan* faults);
  ~ring_engine() override;

  std::error_code open() noexcept;

  void wait(time_point deadline, fiber_queue& ended) noexcept override;
  bool reap(fiber_queue& ended) noexcept override;
  void leave() noexcept override;
  void come_back() noexcept override { own(); }
  void submit_for_owner() noexcept override { queues_.submit_for_owner(); }
  std::array<std::span<const std::byte>, 3> shared_memory() const noexcept override {
    return queues_.shared_memory();
  }
  void start(operation& op) noexcept override;
  [[nodiscard]] fiber* cancel(operation& op) noexcept override;
  void cancel_all(fiber_queue& ended) noexcept override;
  bool busy() const noexcept override {
    return in_kernel() || !mail_.empty() || epoll_engine::busy();
  }
  std::uint64_t calls() const noexcept override { return queues_.calls() + epoll_engine::calls(); }
  std::uint64_t completions() const noexcept override {
    return completed_.load() + epoll_engine::completions();
  }

 private:
  bool in_kernel() const noexcept { return started_.load() != completed_.load(); }

  ring_queues queues_;
  ring_abilities abilities_;             // immutable once opened
  std::unique_ptr<ring_faults> faults_;  // null, but in tests

  // The owner's; atomic because its fibers are threads to ThreadSanitizer, and some are looked at.
  std::atomic<pthread_t> owner_{};  // whoever starts or waits; none: nothing was started
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<std::uint64_t> started_{0};
  operation_stack<&operation::next> waiting_;
  operation_stack<&operation::mail> mail_;

  std::atomic<bool> reaping_{false};         // the try-lock
  std::atomic<std::uint64_t> completed_{0};  // changed under it
  spinlock armed_lock_;
  // Everything in the kernel, where it cannot cancel all of it by itself (before Linux 5.19).
  intrusive_list<operation> armed_ RINGO_GUARDED_BY(armed_lock_);

  // Submission.
  void own() noexcept;
  bool owned_by_caller() const noexcept;
  bool make_room(unsigned entries) noexcept;
  void queue(operation& op) noexcept;
  void queue_waiting() noexcept;
  bool queue_cancel(std::uint64_t ticket) noexcept;
  void serve(fiber_queue& ended) noexcept;
  void submit() noexcept;
  void answered(operation& op, fiber_queue& ended) noexcept;

  // Completion.
  bool collect(fiber_queue& ended) noexcept;
  unsigned take(ring_completion* batch) noexcept;
  void complete(operation& op, std::int32_t result, fiber_queue& ended) noexcept;

  // Cancellation.
  void post(operation& op) noexcept;
  void serve_mail(fiber_queue& ended) noexcept;
  bool serve_mail_for_owner(fiber_queue& ended) noexcept;
  void cancel_armed() noexcept;
};

/// For tests: one that misbehaves.
std::unique_ptr<engine> make_ring_engine(const ring_fault_plan& faults, std::error_code& error);

}  // namespace ringo::detail
