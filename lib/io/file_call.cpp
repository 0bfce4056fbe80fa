#include "io/file_call.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <ringo/blocking.hpp>

#include "io/system_call.hpp"
#include "sched/current.hpp"
#include "sched/worker.hpp"
#include "source/engine.hpp"

namespace ringo::detail {
namespace {

// What is copied on the spot: some ten microseconds' worth. More is left for the next call, which
// lets others run before.
constexpr std::size_t direct_read_max = std::size_t{256} << 10;
constexpr std::size_t direct_write_max = std::size_t{128} << 10;

/// Never blocks. -EAGAIN: it is not in memory. -EOPNOTSUPP: cannot tell.
std::int64_t read_from_memory(const operation& op) noexcept {
  iovec piece{op.data, std::min(op.size, direct_read_max)};
  for (;;) {
    const ssize_t count = ::preadv2(op.fd, &piece, 1, op.offset, RWF_NOWAIT);
    if (count >= 0) return count;
    if (errno == ENOSYS) return -EOPNOTSUPP;
    if (errno != EINTR) return -errno;
  }
}

/// Whether a read never waits for a device, or for another process.
bool is_in_memory(int fd) noexcept {
  constexpr std::array<unsigned long, 7> magic{TMPFS_MAGIC,
                                               RAMFS_MAGIC,
                                               PROC_SUPER_MAGIC,
                                               SYSFS_MAGIC,
                                               CGROUP_SUPER_MAGIC,
                                               CGROUP2_SUPER_MAGIC,
                                               DEVPTS_SUPER_MAGIC};
  struct statfs status {};
  if (::fstatfs(fd, &status) != 0) return false;
  const auto type = static_cast<unsigned long>(status.f_type) & 0xFFFFFFFFUL;
  return std::find(magic.begin(), magic.end(), type) != magic.end();
}

std::int64_t call_in_section(const operation& op) {
  return blocking([&op] { return make_call(op); });
}

std::int64_t wait_for_ring(operation& op, const file_traits& file, const file_wait& wait) {
  const bool at_position = op.offset < 0;
  // A call that does a part and then fails (ENOSPC, EFBIG) returns that part, but leaves the
  // position where it was, at least up to Linux 6.18. So the ring is told the place, and the
  // position follows; the caller has the turn. What has no places, a device, has no position to be
  // wrong.
  if (at_position) op.offset = ::lseek(op.fd, 0, SEEK_CUR);
  const bool has_places = at_position && op.offset >= 0;
  const std::int64_t result =
      wait_for_operation(op, wait.slot, wait.stop, io_reason::file, wait.holder);
  if (at_position) op.offset = -1;
  if (result <= 0 || !has_places) return result;
  const bool at_end = file.mode.appends && op.code == opcode::write;
  ::lseek(op.fd, at_end ? 0 : result, at_end ? SEEK_END : SEEK_CUR);
  return result;
}

std::int64_t carry_out(operation& op, const file_traits& file, const file_wait& wait) {
  const worker* const w = current_worker();
  if (w == nullptr) return make_call(op);
  if (w->source().needs_entry()) {
    op.call = &make_call;
    return wait_for_operation(op, wait.slot, wait.stop, io_reason::file, wait.holder);
  }
  const std::int64_t result = wait_for_ring(op, file, wait);
  // The kernel does not like to wait for a file that is marked as non-blocking.
  return result == -EAGAIN ? call_in_section(op) : result;
}

std::int64_t read_file(operation& op, file_traits& file, const file_wait& wait) {
  constexpr auto relaxed = std::memory_order_relaxed;  // relaxed: a hint
  if (file.reads.load(relaxed) == memory_reads::answered) {
    const std::int64_t result = read_from_memory(op);
    if (result == -EAGAIN) return carry_out(op, file, wait);
    if (result != -EOPNOTSUPP && result != -EINVAL) return result;
    file.reads.store(is_in_memory(op.fd) ? memory_reads::all : memory_reads::refused, relaxed);
  }
  return file.reads.load(relaxed) == memory_reads::all ? call_in_section(op)
                                                       : carry_out(op, file, wait);
}

}  // namespace

file_mode file_mode::of(int flags) noexcept {
  return {.appends = (flags & O_APPEND) != 0,
          .writes_through = (flags & (O_SYNC | O_DSYNC | O_DIRECT)) != 0};
}

std::int64_t call_file(operation& op, file_traits& file, const file_wait& wait) {
  if (op.code == opcode::read) return read_file(op, file, wait);
  const bool is_quick =
      op.code == opcode::write && op.size <= direct_write_max && !file.mode.writes_through;
  return is_quick ? call_in_section(op) : carry_out(op, file, wait);
}

}  // namespace ringo::detail
