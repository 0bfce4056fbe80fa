#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>

#include <liburing.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ringo/detail/assert.hpp>

#include "source/engine.hpp"
#include "source/wake_event.hpp"

/// The io_uring engine.
///
/// The submission queue belongs to the owner. The completion queue may be reaped by any thread,
/// under a one-word try-lock. Waiting uses a bare io_uring_enter with a timeout argument:
/// liburing's own wait functions would read the completion queue outside that lock.

namespace ringo::detail {
namespace {

constexpr unsigned entries = 256;
constexpr unsigned completions = 4096;
constexpr std::uint64_t wake_id = 1;  // user_data of the wake event's poll
constexpr auto rearm_patience = std::chrono::milliseconds(1);

/// Asks for the newest flags first: COOP_TASKRUN needs Linux 5.19, SUBMIT_ALL 5.18. Any other
/// refusal than "unknown flag" ends the search. A ring that cannot be paid for from RLIMIT_MEMLOCK
/// is made smaller.
int open_ring(io_uring& ring) noexcept {
  constexpr std::array<unsigned, 3> flags{
      IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
      IORING_SETUP_SUBMIT_ALL,
      0};
  constexpr std::array<std::array<unsigned, 2>, 3> sizes{
      {{entries, completions}, {entries / 2, completions / 4}, {entries / 4, entries}}};
  int error = -EINVAL;
  for (const auto& size : sizes) {
    for (const unsigned wanted : flags) {
      io_uring_params parameters{};
      parameters.flags = wanted | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
      parameters.cq_entries = size[1];
      error = ::io_uring_queue_init_params(size[0], &ring, &parameters);
      if (error == 0) {
        // Linux 5.11 and its like lack what follows; then epoll serves better.
        constexpr unsigned needed =
            IORING_FEAT_NODROP | IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG;
        if ((parameters.features & needed) == needed) return 0;
        ::io_uring_queue_exit(&ring);
        return -ENOSYS;
      }
      if (error != -EINVAL) break;
    }
    if (error != -ENOMEM) break;
  }
  return error;
}

class ring_engine final : public engine {
 public:
  ~ring_engine() override {
    if (opened_) ::io_uring_queue_exit(&ring_);
  }

  std::error_code open() noexcept {
    if (auto error = wake_.open()) return error;
    if (const int error = open_ring(ring_); error != 0) return {-error, std::system_category()};
    opened_ = true;
    ::io_uring_ring_dontfork(&ring_);  // a child's submissions would land in the parent's ring
    return self_test();
  }

  void wait(time_point deadline, fiber_queue& /*ended*/) noexcept override {
    if (!completion_pending()) enter(deadline);
  }
  void start(operation& op) noexcept override {
    op.home = this;
    op.result = -ENOSYS;
    static_cast<void>(op.let_go());
  }
  fiber* cancel(operation& /*op*/) noexcept override { return nullptr; }
  void cancel_all(fiber_queue& /*ended*/) noexcept override {}
  bool busy() const noexcept override { return false; }

  void reap(fiber_queue& /*ended*/) noexcept override {
    // pairs with the store below
    if (reaping_.exchange(true, std::memory_order_acquire)) return;
    bool rearm = false;
    std::array<io_uring_cqe*, 64> batch;
    const unsigned count = ::io_uring_peek_batch_cqe(&ring_, batch.data(), batch.size());
    for (unsigned i = 0; i < count; ++i) {
      if (batch[i]->user_data == wake_id && (batch[i]->flags & IORING_CQE_F_MORE) == 0)
        rearm = true;
    }
    ::io_uring_cq_advance(&ring_, count);
    if (rearm) rearm_due_.store(true);
    reaping_.store(false, std::memory_order_release);  // pairs with the exchange above
  }

  void wake() noexcept override { wake_.signal(); }

 private:
  io_uring ring_{};
  wake_event wake_;
  bool opened_ = false;
  std::atomic<bool> reaping_{false};  // the try-lock of the completion queue
  // Set by whoever reaps, cleared by the owner; and at first, since a poll belongs to the thread
  // that submits it: its completions interrupt that thread.
  std::atomic<bool> rearm_due_{true};

  /// As io_uring_cq_ready(), which takes its caller for the only one that moves the head.
  bool completion_pending() const noexcept {
    std::atomic_ref<unsigned> head(*ring_.cq.khead);
    std::atomic_ref<unsigned> tail(*ring_.cq.ktail);
    // relaxed: whoever reaps at the same time wakes whom it concerns
    return head.load(std::memory_order_relaxed) !=
           tail.load(std::memory_order_acquire);  // pairs with the kernel's store
  }

  /// False: the kernel is short of memory; to be tried again soon.
  bool arm_wake_event() noexcept {
    io_uring_sqe* sqe = ::io_uring_get_sqe(&ring_);
    if (sqe == nullptr) return false;
    ::io_uring_prep_poll_multishot(sqe, wake_.fd(), POLLIN | EPOLLET);
    sqe->user_data = wake_id;
    if (::io_uring_submit(&ring_) != 1) return false;
    rearm_due_.store(false);
    return true;
  }

  /// Sleeps for one completion.
  void enter(time_point deadline) noexcept {
    if (rearm_due_.load() && !arm_wake_event()) {
      deadline = std::min(deadline, steady_clock::now() + rearm_patience);
    }
    __kernel_timespec limit{};
    io_uring_getevents_arg argument{};
    argument.sigmask_sz = _NSIG / 8;
    if (deadline != never) {
      const auto left = time_left(deadline);
      limit.tv_sec = left.count() / 1'000'000'000;
      limit.tv_nsec = left.count() % 1'000'000'000;
      argument.ts = reinterpret_cast<std::uint64_t>(&limit);
    }
    // Any error (ETIME, EINTR, EBUSY) means the same to the caller: look again.
    ::syscall(SYS_io_uring_enter,
              ring_.ring_fd,
              0,
              1,
              IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
              &argument,
              sizeof argument);
  }

  /// A completion must arrive: catches emulators and sandboxes that only pretend.
  std::error_code self_test() noexcept {
    io_uring_sqe* sqe = ::io_uring_get_sqe(&ring_);
    if (sqe == nullptr) return std::make_error_code(std::errc::io_error);
    ::io_uring_prep_nop(sqe);
    sqe->user_data = 0;
    io_uring_cqe* completed = nullptr;
    if (::io_uring_submit_and_wait(&ring_, 1) < 1 || ::io_uring_peek_cqe(&ring_, &completed) != 0) {
      return std::make_error_code(std::errc::io_error);
    }
    ::io_uring_cqe_seen(&ring_, completed);
    return {};
  }
};

}  // namespace

std::unique_ptr<engine> make_ring_engine(std::error_code& error) {
  auto made = std::make_unique<ring_engine>();
  error = made->open();
  if (error) return nullptr;
  return made;
}

}  // namespace ringo::detail
