#include "fiber/stack.hpp"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <mutex>
#include <new>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <ringo/detail/assert.hpp>

#include "fiber/sanitizer.hpp"

namespace ringo::detail {
namespace {

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102  // Linux 6.13; older headers do not know it
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23  // Linux 5.14
#endif

// Unused stacks of a pool whose pages stay: 4 MiB at one page each.
constexpr std::size_t warm_max = 1024;
constexpr int size_classes = std::bit_width(stack_size_max / stack_size_min);

std::size_t mprotect_guards_max() noexcept {
  std::size_t mappings = 65530;
  if (std::FILE* file = std::fopen("/proc/sys/vm/max_map_count", "re")) {
    if (std::fscanf(file, "%zu", &mappings) != 1) mappings = 65530;  // NOLINT(cert-err34-c)
    std::fclose(file);
  }
  return mappings / 2 / 2;  // half of them, two mappings a guard
}

/// Decides once which kind of guard the kernel offers.
bool guard_install_works() noexcept {
  // LeakSanitizer reads every page of a root region that /proc/self/maps calls readable, and such a
  // guard is not seen there.
  if (RINGO_ASAN) return false;
  static const bool works = [] {
    void* page = ::mmap(nullptr,
                        page_size,
                        PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                        -1,
                        0);
    if (page == MAP_FAILED) return false;
    const bool ok = ::madvise(page, page_size, MADV_GUARD_INSTALL) == 0;
    ::munmap(page, page_size);
    return ok;
  }();
  return works;
}

std::atomic<std::size_t> mprotect_guards{0};
std::atomic<std::size_t> unguarded{0};
std::atomic<std::size_t> reserved{0};

void make_guard(std::byte* base) noexcept {
  if (guard_install_works() && ::madvise(base, guard_size, MADV_GUARD_INSTALL) == 0) return;
  static const std::size_t limit = mprotect_guards_max();
  // relaxed: a count that orders nothing
  if (mprotect_guards.fetch_add(1, std::memory_order_relaxed) < limit &&
      ::mprotect(base, guard_size, PROT_NONE) == 0) {
    return;
  }
  unguarded.fetch_add(1, std::memory_order_relaxed);  // relaxed: as above
}

/// Applies one advice to many ranges in one system call. False: not on this kernel, or not for all
/// of them. (process_madvise(2) takes any advice for the own process since Linux 6.13.)
bool advise_all(const iovec* ranges, std::size_t count, int advice) noexcept {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < count; ++i) bytes += ranges[i].iov_len;
  // Opened anew each time: the child of a fork must not advise its parent.
  const int self = static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0));
  if (self < 0) return false;
  const long advised = ::syscall(SYS_process_madvise, self, ranges, count, advice, 0);
  ::close(self);
  return advised == static_cast<long>(bytes);
}

/// Makes fresh stacks usable: a guard at the bottom, and the first page at the top, which every
/// fiber touches. In batches that costs two thirds of what a system call and a page fault for each
/// stack cost.
void prepare_fresh(const stack* stacks, std::size_t count) noexcept {
  std::array<iovec, stack_batch_max> ranges;
  bool guarded = false;
  if (count > 1 && guard_install_works()) {
    for (std::size_t i = 0; i < count; ++i) ranges[i] = {stacks[i].base, guard_size};
    guarded = advise_all(ranges.data(), count, MADV_GUARD_INSTALL);
    for (std::size_t i = 0; i < count; ++i) {
      ranges[i] = {stacks[i].base + stacks[i].size - page_size, page_size};
    }
    // Where it fails, the pages come at first touch.
    static_cast<void>(advise_all(ranges.data(), count, MADV_POPULATE_WRITE));
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (!guarded) make_guard(stacks[i].base);
    sanitizer_register_stack(stacks[i].base, stacks[i].size);
  }
}

}  // namespace

std::size_t stack_size_rounded(std::size_t size) noexcept {
  return std::bit_ceil(std::max(size, stack_size_min));
}

void give_back_below(const stack& s, const void* frames) noexcept {
  std::byte* const begin = s.base + guard_size;
  const auto used = static_cast<std::size_t>(static_cast<const std::byte*>(frames) - s.base);
  std::byte* const end = s.base + used / page_size * page_size;
  if (begin < end) ::madvise(begin, static_cast<std::size_t>(end - begin), MADV_DONTNEED);
}

guard_kind guards_in_use() noexcept {
  return guard_install_works() ? guard_kind::madvise : guard_kind::mprotect;
}

std::size_t stacks_without_guard() noexcept {
  return unguarded.load(std::memory_order_relaxed);  // relaxed: a statistic
}

stack_pool& stack_pool::of(std::size_t size) noexcept {
  // Never destroyed: fibers that were left over may still use their stacks.
  static auto& pools = *[] {
    auto* all = new std::array<stack_pool, size_classes>;
    for (int i = 0; i < size_classes; ++i)
      (*all)[static_cast<std::size_t>(i)].size_ = stack_size_min << i;
    return all;
  }();
  RINGO_ASSERT(std::has_single_bit(size));
  return pools[static_cast<std::size_t>(std::countr_zero(size / stack_size_min))];
}

/// For the stacks of one more slab.
void stack_pool::make_room() {
  slabs_.reserve(std::bit_ceil(slabs_.size() + 1));
  const std::size_t stacks = slabs_.capacity() * slab_stacks(size_);
  warm_.reserve(stacks);
  cold_.reserve(stacks);
}

bool stack_pool::map_slab() noexcept {
  try {
    make_room();
  } catch (const std::bad_alloc&) {
    return false;
  }
  const std::size_t bytes = slab_size(size_);
  void* address = ::mmap(nullptr,
                         bytes,
                         PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK,
                         -1,
                         0);
  if (address == MAP_FAILED) return false;
  auto* begin = static_cast<std::byte*>(address);
  ::madvise(begin, bytes, MADV_NOHUGEPAGE);  // a huge page would commit 2 MiB for one parked fiber
  sanitizer_register_slab(begin, bytes);
  slabs_.push_back(begin);
  reserved.fetch_add(bytes, std::memory_order_relaxed);  // relaxed: a statistic
  slab_next_ = begin;
  slab_end_ = begin + bytes;
  return true;
}

std::size_t stack_pool::take(stack* out, std::size_t wanted) noexcept {
  wanted = std::min(wanted, stack_batch_max);
  std::size_t taken = 0;
  std::size_t fresh = 0;
  {
    spin_guard guard(lock_);
    for (auto* unused : {&warm_, &cold_}) {
      while (taken < wanted && !unused->empty()) {
        out[taken++] = {unused->back(), size_};
        unused->pop_back();
      }
    }
    if (taken == 0) {
      while (taken + fresh < wanted) {
        if (slab_next_ == slab_end_ && !map_slab()) break;
        out[taken + fresh++] = {slab_next_, size_};
        slab_next_ += stack_pitch(size_);
      }
    }
  }
  if (fresh != 0) prepare_fresh(out, fresh);
  return taken + fresh;
}

void stack_pool::give_back(const stack* stacks, std::size_t count) noexcept {
  spin_guard guard(lock_);
  for (std::size_t i = 0; i < count; ++i) warm_.push_back(stacks[i].base);
  // relaxed: a hint
  if (warm_.size() > warm_max) trimmable_.store(true, std::memory_order_relaxed);
}

bool stack_pool::trim(std::size_t limit) noexcept {
  if (!trimmable_.load(std::memory_order_relaxed)) return false;  // relaxed: a hint
  std::array<std::byte*, 64> batch;
  std::size_t count = 0;
  bool more = false;
  {
    spin_guard guard(lock_);
    while (count < std::min(limit, batch.size()) && warm_.size() > warm_max) {
      batch[count++] = warm_.back();
      warm_.pop_back();
    }
    more = warm_.size() > warm_max;
    if (!more) trimmable_.store(false, std::memory_order_relaxed);  // relaxed: a hint
  }
  for (std::size_t i = 0; i < count; ++i) {
    ::madvise(batch[i] + guard_size, size_ - guard_size, MADV_DONTNEED);
  }
  spin_guard guard(lock_);
  for (std::size_t i = 0; i < count; ++i) cold_.push_back(batch[i]);
  return more;
}

bool stack_pool::trim_all(std::size_t limit) noexcept {
  bool more = false;
  for (std::size_t size = stack_size_min; size <= stack_size_max; size *= 2) {
    more |= of(size).trim(limit);
  }
  return more;
}

std::size_t stack_pool::unused() const noexcept {
  spin_guard guard(lock_);
  return warm_.size() + cold_.size();
}

stack_pool::usage stack_pool::total() noexcept {
  usage sum;
  sum.reserved = reserved.load(std::memory_order_relaxed);  // relaxed: a statistic
  for (std::size_t size = stack_size_min; size <= stack_size_max; size *= 2) {
    const stack_pool& pool = of(size);
    spin_guard guard(pool.lock_);
    sum.warm += pool.warm_.size();
    sum.cold += pool.cold_.size();
  }
  return sum;
}

// All of stack_cache is relaxed: only one thread touches it, see the class.
stack stack_cache::take(std::size_t size) noexcept {
  constexpr auto relaxed = std::memory_order_relaxed;  // relaxed: one thread
  if (RINGO_UNLIKELY(size != size_)) {
    stack one;
    if (stack_pool::of(size).take(&one, 1) == 0) return {};
    sanitizer_acquire(one.base);
    return one;
  }
  std::size_t count = count_.load(relaxed);
  if (RINGO_UNLIKELY(count == 0)) {
    std::array<stack, stack_batch_max> batch;
    const std::size_t taken = stack_pool::of(size).take(batch.data(), batch.size());
    if (taken == 0) return {};
    while (count < taken) {
      slots_[count].store(batch[count].base, relaxed);
      ++count;
    }
  }
  --count;
  count_.store(count, relaxed);
  stack taken{slots_[count].load(relaxed), size};
  sanitizer_acquire(taken.base);
  return taken;
}

void stack_cache::put(stack s) noexcept {
  constexpr auto relaxed = std::memory_order_relaxed;  // relaxed: one thread
  sanitizer_release(s.base);
  if (RINGO_UNLIKELY(s.size != size_)) {
    stack_pool::of(s.size).give_back(&s, 1);
    return;
  }
  std::size_t count = count_.load(relaxed);
  if (RINGO_UNLIKELY(count == capacity)) {
    std::array<stack, capacity / 2> batch;
    for (auto& cached : batch) cached = {slots_[--count].load(relaxed), size_};
    stack_pool::of(size_).give_back(batch.data(), batch.size());
  }
  slots_[count].store(s.base, relaxed);
  count_.store(count + 1, relaxed);
}

void stack_cache::flush() noexcept {
  constexpr auto relaxed = std::memory_order_relaxed;  // relaxed: one thread
  for (std::size_t count = count_.load(relaxed); count > 0; --count) {
    const stack cached{slots_[count - 1].load(relaxed), size_};
    stack_pool::of(size_).give_back(&cached, 1);
  }
  count_.store(0, relaxed);
}

}  // namespace ringo::detail
