#include "source/ring_queues.hpp"

namespace ringo::detail {

int ring_queues::open(unsigned entries, io_uring_params& wanted) noexcept {
  if (const int error = ::io_uring_queue_init_params(entries, &ring_, &wanted); error != 0) {
    return error;
  }
  opened_ = true;
  sq_entries_ = wanted.sq_entries;
  cq_entries_ = wanted.cq_entries;
  features_ = wanted.features;
  // Newer libraries leave out the array that maps places in the queue to entries.
  if (ring_.sq.array != nullptr) {
    for (unsigned i = 0; i < sq_entries_; ++i) ring_.sq.array[i] = i;
  }
  return 0;
}

/// -errno, or how many entries were taken.
int ring_queues::enter(unsigned count,
                       unsigned wanted,
                       unsigned flags,
                       const void* argument,
                       std::size_t size) noexcept {
  if (RINGO_UNLIKELY(faults_ != nullptr) && count > 0) {
    if (const int error = faults_->enter_error(); error != 0) return -error;
  }
  count_call();
  const long taken =
      ::syscall(SYS_io_uring_enter, ring_.ring_fd, count, wanted, flags, argument, size);
  if (taken >= 0) return static_cast<int>(taken);
  const int error = errno;
  // Anything else means that the kernel has lost completions, or that the ring is not ours.
  RINGO_VERIFY(error == ETIME || error == EINTR || error == EBUSY || error == EAGAIN ||
               error == ENOMEM);
  return -error;
}

bool ring_queues::submit() noexcept {
  for (;;) {
    const unsigned count = unsubmitted();
    if (count == 0) return true;
    const int taken =
        enter(count, 0, attention_due() ? IORING_ENTER_GETEVENTS : 0, nullptr, _NSIG / 8);
    // Without SUBMIT_ALL (Linux before 5.18) the kernel stops behind an entry that fails.
    if (taken <= 0 && taken != -EINTR) return unsubmitted() == 0;
  }
}

void ring_queues::submit_for_owner() noexcept {
  const unsigned count = load(ring_.sq.ktail) - load(ring_.sq.khead);
  if (count == 0) return;
  count_call();
  // What the kernel refuses now it is given again by the owner, or at the next look.
  ::syscall(SYS_io_uring_enter, ring_.ring_fd, count, 0, 0, nullptr, _NSIG / 8);
}

int ring_queues::enter_until(unsigned count, unsigned wanted, time_point deadline) noexcept {
  __kernel_timespec limit{};
  io_uring_getevents_arg argument{};
  argument.sigmask_sz = _NSIG / 8;
  if (deadline != never) {
    const auto left = time_left(deadline);
    limit.tv_sec = left.count() / 1'000'000'000;
    limit.tv_nsec = left.count() % 1'000'000'000;
    argument.ts = reinterpret_cast<std::uint64_t>(&limit);
  }
  return enter(
      count, wanted, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &argument, sizeof argument);
}

std::array<std::span<const std::byte>, 3> ring_queues::shared_memory() const noexcept {
  const auto part = [](const void* begin, std::size_t size) {
    return std::span(static_cast<const std::byte*>(begin), begin != nullptr ? size : 0);
  };
  return {part(ring_.sq.sqes, *ring_.sq.kring_entries * sizeof(io_uring_sqe)),
          part(ring_.sq.ring_ptr, ring_.sq.ring_sz),
          part(ring_.cq.ring_ptr, ring_.cq.ring_sz)};
}

}  // namespace ringo::detail
