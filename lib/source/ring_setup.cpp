#include "source/ring_setup.hpp"

#include <array>
#include <cstddef>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

namespace ringo::detail {
namespace {

constexpr std::array<std::array<unsigned, 2>, 3> sizes{{{256, 4096}, {128, 1024}, {64, 256}}};
constexpr std::array<unsigned, 2> tiny_size{2, 4};

// For each worker. Its kernel threads serve files only: sockets and pipes are waited for without.
constexpr std::array<unsigned, 2> kernel_workers_max{4, 16};

// Newer than the oldest library that we build with.
constexpr unsigned register_sync_cancel = 24;  // Linux 6.0
struct sync_cancel {
  std::uint64_t address;
  std::int32_t fd;
  std::uint32_t flags;
  __kernel_timespec timeout;
  std::array<std::uint64_t, 4> padding;
};

constexpr auto test_patience = std::chrono::seconds(1);

/// Asks for the newest flags first: COOP_TASKRUN needs Linux 5.19, SUBMIT_ALL 5.18.
int make_ring(ring_queues& queues, unsigned entries, unsigned completions, bool old) noexcept {
  constexpr std::array<unsigned, 3> flags{
      IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
      IORING_SETUP_SUBMIT_ALL,
      0};
  int error = -EINVAL;
  for (std::size_t i = old ? flags.size() - 1 : 0; i < flags.size() && error == -EINVAL; ++i) {
    io_uring_params parameters{};
    parameters.flags = flags[i] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    parameters.cq_entries = completions;
    error = queues.open(entries, parameters);
  }
  return error;
}

/// A ring that cannot be paid for from RLIMIT_MEMLOCK is made smaller.
int make_ring(ring_queues& queues, const ring_fault_plan* faults) noexcept {
  const bool old = faults != nullptr && faults->old_kernel;
  if (faults != nullptr && faults->tiny) return make_ring(queues, tiny_size[0], tiny_size[1], old);
  int error = -ENOMEM;
  for (std::size_t i = 0; i < sizes.size() && error == -ENOMEM; ++i) {
    error = make_ring(queues, sizes[i][0], sizes[i][1], old);
  }
  return error;
}

bool knows_opcodes(io_uring& ring) noexcept {
  constexpr unsigned opcodes = 64;
  alignas(io_uring_probe)
      std::array<std::byte, sizeof(io_uring_probe) + opcodes * sizeof(io_uring_probe_op)>
          room{};
  auto* probe = reinterpret_cast<io_uring_probe*>(room.data());
  if (::io_uring_register_probe(&ring, probe, opcodes) < 0) return false;
  for (const unsigned code : {IORING_OP_POLL_ADD,
                              IORING_OP_ASYNC_CANCEL,
                              IORING_OP_RECV,
                              IORING_OP_SEND,
                              IORING_OP_RECVMSG,
                              IORING_OP_SENDMSG,
                              IORING_OP_ACCEPT,
                              IORING_OP_READ,
                              IORING_OP_WRITE,
                              IORING_OP_FSYNC}) {
    if (::io_uring_opcode_supported(probe, static_cast<int>(code)) == 0) return false;
  }
  return true;
}

struct socket_pair {
  std::array<int, 2> ends{-1, -1};

  socket_pair() = default;
  socket_pair(const socket_pair&) = delete;
  socket_pair& operator=(const socket_pair&) = delete;
  ~socket_pair() {
    for (const int fd : ends) {
      if (fd >= 0) ::close(fd);
    }
  }
};

/// Arms receives, lets one complete and cancels the others: emulators and sandboxes that only
/// pretend are caught, and what is left out by older kernels is found out.
class self_test {
 public:
  self_test(ring_queues& queues, ring_abilities& abilities) noexcept
      : queues_(queues), abilities_(abilities) {}

  std::error_code run() noexcept {
    socket_pair sockets;
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets.ends.data()) !=
        0) {
      return {errno, std::system_category()};
    }
    const bool works = receives(sockets) && cancels(sockets) && cancels_all(sockets);
    return works ? std::error_code() : std::make_error_code(std::errc::function_not_supported);
  }

 private:
  static constexpr std::uint64_t receive_id = ring_id_end;
  static constexpr std::uint64_t cancel_id = ring_id_end + 1;

  ring_queues& queues_;
  ring_abilities& abilities_;
  char byte_ = 0;

  bool submit(const io_uring_sqe& entry) noexcept {
    queues_.push(entry);
    return queues_.submit();
  }

  /// The next completion; false: none comes.
  bool next(ring_completion& out) noexcept {
    const time_point until = steady_clock::now() + test_patience;
    while (queues_.peek(&out, 1) == 0) {
      if (steady_clock::now() >= until) return false;
      queues_.wait(until);
    }
    queues_.advance(1);
    return true;
  }

  /// Completions come as they like.
  bool next_two(ring_completion& first, ring_completion& second, std::uint64_t first_id) noexcept {
    if (!next(first) || !next(second)) return false;
    if (first.id != first_id) std::swap(first, second);
    return first.id == first_id;
  }

  /// Starts to receive a byte that has not come yet.
  bool arms(const socket_pair& sockets) noexcept {
    io_uring_sqe receive{};
    receive.opcode = IORING_OP_RECV;
    receive.fd = sockets.ends[0];
    receive.addr = reinterpret_cast<std::uint64_t>(&byte_);
    receive.len = 1;
    receive.user_data = receive_id;
    receive.ioprio = abilities_.poll_first ? IORING_RECVSEND_POLL_FIRST : 0;
    if (!submit(receive)) return false;
    ring_completion got{};
    if (queues_.peek(&got, 1) == 0) return true;
    queues_.advance(1);
    if (got.result != -EINVAL || !abilities_.poll_first) return false;
    abilities_.poll_first = false;
    return arms(sockets);
  }

  /// A receive of nothing waits, and ends when there is something.
  bool receives(const socket_pair& sockets) noexcept {
    ring_completion got{};
    return arms(sockets) && ::send(sockets.ends[1], &byte_, 1, MSG_NOSIGNAL) == 1 && next(got) &&
           got.id == receive_id && got.result == 1;
  }

  /// And when it is cancelled.
  bool cancels(const socket_pair& sockets) noexcept {
    io_uring_sqe cancel = cancel_entry(receive_id, {});
    cancel.user_data = cancel_id;
    ring_completion got{};
    ring_completion cancelled{};
    return arms(sockets) && submit(cancel) && next_two(cancelled, got, cancel_id) &&
           cancelled.result == 0 && got.id == receive_id && got.result == -ECANCELED;
  }

  bool cancels_all(const socket_pair& sockets) noexcept {
    if (!abilities_.cancel_any) return true;
    io_uring_sqe cancel = cancel_any_entry({});
    cancel.user_data = cancel_id;
    ring_completion cancelled{};
    if (!arms(sockets) || !submit(cancel) || !next(cancelled)) return false;
    ring_completion got{};
    if (cancelled.id != cancel_id) {
      std::swap(cancelled, got);
      if (!next(cancelled)) return false;
    }
    abilities_.cancel_any = cancelled.id == cancel_id && cancelled.result >= 0;
    if (!abilities_.cancel_any) return ends(sockets);
    return (got.id == receive_id || next(got)) && got.id == receive_id && got.result == -ECANCELED;
  }

  /// What could not be cancelled.
  bool ends(const socket_pair& sockets) noexcept {
    ring_completion got{};
    return ::send(sockets.ends[1], &byte_, 1, MSG_NOSIGNAL) == 1 && next(got) &&
           got.id == receive_id;
  }
};

}  // namespace

int cancel_at_once(ring_queues& queues, std::uint64_t id) noexcept {
  sync_cancel wanted{};
  wanted.address = id;
  wanted.fd = -1;
  // No time: what cannot be stopped is not waited for.
  const long result =
      ::syscall(SYS_io_uring_register, queues.handle().ring_fd, register_sync_cancel, &wanted, 1);
  if (result >= 0 || errno == ETIME || errno == EALREADY) return 0;
  return -errno;
}

io_uring_sqe cancel_entry(std::uint64_t id, const ring_abilities& abilities) noexcept {
  io_uring_sqe entry{};
  entry.opcode = IORING_OP_ASYNC_CANCEL;
  entry.flags = abilities.quiet_cancel ? IOSQE_CQE_SKIP_SUCCESS : 0;
  entry.fd = -1;
  entry.addr = id;
  entry.user_data = ring_id_ignored;
  return entry;
}

io_uring_sqe cancel_any_entry(const ring_abilities& abilities) noexcept {
  io_uring_sqe entry = cancel_entry(0, abilities);
  entry.cancel_flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL;
  return entry;
}

std::error_code open_ring(ring_queues& queues,
                          ring_abilities& abilities,
                          const ring_fault_plan* faults) noexcept {
  if (const int error = make_ring(queues, faults); error != 0) {
    return {-error, std::system_category()};
  }
  const auto unfit = std::make_error_code(std::errc::function_not_supported);
  // Linux 5.11 and its like lack some of these; then epoll serves better.
  constexpr unsigned needed = IORING_FEAT_NODROP | IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG |
                              IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_RW_CUR_POS;
  io_uring& ring = queues.handle();
  if ((queues.features() & needed) != needed || !knows_opcodes(ring)) return unfit;
  ::io_uring_ring_dontfork(&ring);  // a child's submissions would land in the parent's ring
  auto limits = kernel_workers_max;
  ::io_uring_register_iowq_max_workers(&ring, limits.data());  // Linux 5.15; else without limits
  if (faults == nullptr || !faults->old_kernel) {
    abilities = {.cancel_any = true,
                 .quiet_cancel = (queues.features() & IORING_FEAT_CQE_SKIP) != 0,
                 .poll_first = true,
                 .sync_cancel = cancel_at_once(queues, ring_id_ignored) == -ENOENT};
  }
  return self_test(queues, abilities).run();
}

}  // namespace ringo::detail
