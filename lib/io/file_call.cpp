#include "io/file_call.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <string_view>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <ringo/blocking.hpp>

#include "io/kept_meanwhile.hpp"
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

/// Linux 5.9 and 5.10 may say 0 where there is more, which is not in memory (readv(2), BUGS).
bool lies_about_ends() noexcept {
  static const bool lies = [] {
    utsname system{};
    if (::uname(&system) != 0) return false;
    const std::string_view release = system.release;
    return release.rfind("5.9.", 0) == 0 || release.rfind("5.10.", 0) == 0;
  }();
  return lies;
}

/// Never blocks. -EAGAIN: it is not in memory. -EOPNOTSUPP: cannot tell.
std::int64_t read_from_memory(const operation& op) noexcept {
  iovec piece{op.data, std::min(op.size, direct_read_max)};
  for (;;) {
    const ssize_t count = ::preadv2(op.fd, &piece, 1, op.offset, RWF_NOWAIT);
    if (count > 0 || (count == 0 && !lies_about_ends())) return count;
    if (count == 0) return op.size == 0 ? 0 : -EAGAIN;
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

std::int64_t call_in_section(const operation& op, const file_wait& wait) {
  const kept_meanwhile kept(wait.holder);
  return blocking([&op] { return make_call(op); });
}

/// Reads and writes at the position go to the pool in any case. The position belongs to the open
/// file description, which other numbers and processes may share, and only read(2) and write(2)
/// lock it: a ring takes it without the lock, and does not even move it where a call has done a
/// part and then fails. So do syncs, which a ring cannot be made to let go of at the end of a run.
std::int64_t carry_out(operation& op, const file_wait& wait) {
  const worker* const w = current_worker();
  if (w == nullptr) return make_call(op);
  if (op.offset < 0 || w->source().operations() == nullptr) {
    op.call = &make_call;
    return wait_for_operation(op, wait.slot, wait.stop, io_reason::file, wait.holder);
  }
  const std::int64_t result =
      wait_for_operation(op, wait.slot, wait.stop, io_reason::file, wait.holder);
  // The kernel does not like to wait for a file that is marked as non-blocking.
  return result == -EAGAIN ? call_in_section(op, wait) : result;
}

std::int64_t read_file(operation& op, file_traits& file, const file_wait& wait) {
  constexpr auto relaxed = std::memory_order_relaxed;  // relaxed: a hint
  if (file.reads.load(relaxed) == memory_reads::answered) {
    const std::int64_t result = read_from_memory(op);
    if (result == -EAGAIN) return carry_out(op, wait);
    if (result != -EOPNOTSUPP && result != -EINVAL) return result;
    file.reads.store(is_in_memory(op.fd) ? memory_reads::all : memory_reads::refused, relaxed);
  }
  return file.reads.load(relaxed) == memory_reads::all ? call_in_section(op, wait)
                                                       : carry_out(op, wait);
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
  return is_quick ? call_in_section(op, wait) : carry_out(op, wait);
}

}  // namespace ringo::detail
