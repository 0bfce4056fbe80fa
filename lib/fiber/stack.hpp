#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <ringo/detail/config.hpp>
#include <ringo/detail/spinlock.hpp>

/// Stacks of fibers.
///
/// Every stack is a power of two of reserved address space, carved from a slab (one mapping for
/// many stacks, never unmapped). The kernel commits its pages at first touch, so that a stack
/// starts with one resident page and grows by itself. Its lowest pages are a guard.
///
/// Between two stacks of a slab lies a page that nobody uses. Without it their hottest pages, the
/// topmost, would be a power of two of pages apart and share a few sets of the TLB: among a
/// thousand fibers in turn each switch then walks the page table (on a virtual machine, two of
/// them).
///
/// A stack lies in one of three places: with a fiber; in a worker's cache (LIFO, hot); in the pool
/// of its size: there first `warm` (its pages still resident), later `cold` (pages given back).
/// Giving pages back costs a system call, so that the pool does it in small steps when a worker has
/// nothing better to do (trim()), never on the path of a fiber that ends.

namespace ringo::detail {

inline constexpr std::size_t page_size = 4096;
inline constexpr std::size_t guard_size = 4 * page_size;
inline constexpr std::size_t stack_size_min = 32 * 1024;
inline constexpr std::size_t stack_size_max = std::size_t{1} << 30;
inline constexpr std::size_t stack_size_default = 256 * 1024;
inline constexpr std::size_t slab_stacks_size = std::size_t{16} << 20;  // at least
inline constexpr std::size_t stack_batch_max = 32;  // stacks that are mapped or moved at a time

/// From one stack of this size to the next, an odd number of pages.
constexpr std::size_t stack_pitch(std::size_t size) noexcept {
  return size + page_size;
}

constexpr std::size_t slab_stacks(std::size_t stack_size) noexcept {
  return std::max<std::size_t>(slab_stacks_size / stack_size, 1);
}
constexpr std::size_t slab_size(std::size_t stack_size) noexcept {
  return slab_stacks(stack_size) * stack_pitch(stack_size);
}

/// A stack's lowest address and size. A plain value; `base == nullptr` means none.
struct stack {
  std::byte* base = nullptr;
  std::size_t size = 0;

  /// Where the first frame starts. Stacks that end at the same place of a page would put their
  /// hottest lines into the same cache sets, so the tops are spread over 16 lines.
  std::byte* top() const noexcept {
    const auto color = reinterpret_cast<std::uintptr_t>(base) / page_size % 16;
    return base + size - header_size - color * cache_line;
  }
  bool in_guard(const void* address) const noexcept {
    const auto* a = static_cast<const std::byte*>(address);
    return a >= base && a < base + guard_size;
  }

  static constexpr std::size_t header_size = cache_line;
};

/// Gives the pages between the guard and `frames`, the lowest address in use, back to the kernel.
void give_back_below(const stack& s, const void* frames) noexcept;

/// Rounds up to a size that the pool hands out; `size` lies within the limits above.
std::size_t stack_size_rounded(std::size_t size) noexcept;

/// All stacks of one size. Thread-safe; blocks only on its own short lock and on mmap(2).
class stack_pool {
 public:
  /// The pool for stacks of `size` (a rounded one). Pools are never destroyed.
  static stack_pool& of(std::size_t size) noexcept;

  /// Takes up to `wanted` (at most stack_batch_max) stacks into `out`; returns how many. 0: the
  /// kernel refuses to map more.
  std::size_t take(stack* out, std::size_t wanted) noexcept;
  void give_back(const stack* stacks, std::size_t count) noexcept;

  /// Gives back the pages of up to `limit` unused stacks beyond those that are kept warm. True:
  /// there is more to do. The system calls are made outside the lock.
  bool trim(std::size_t limit) noexcept;
  /// Trims every pool.
  static bool trim_all(std::size_t limit) noexcept;

  /// Calls visit(begin, size) for each slab of every pool.
  template <typename Visit>
  static void for_each_slab(Visit visit) {
    for (std::size_t size = stack_size_min; size <= stack_size_max; size *= 2) {
      stack_pool& pool = of(size);
      spin_guard guard(pool.lock_);
      for (const std::byte* begin : pool.slabs_) visit(begin, slab_size(size));
    }
  }

  /// Unused stacks, with and without resident pages. For tests and statistics.
  std::size_t unused() const noexcept;
  /// The same, apart, of every pool.
  struct usage {
    std::size_t reserved = 0;  // bytes of address space, for all stacks
    std::size_t warm = 0;
    std::size_t cold = 0;
  };
  static usage total() noexcept;

 private:
  mutable spinlock lock_;
  std::size_t size_ = 0;  // immutable after construction
  // Either has room for all stacks there are: giving back and trimming allocate nothing.
  std::vector<std::byte*> warm_ RINGO_GUARDED_BY(lock_);
  std::vector<std::byte*> cold_ RINGO_GUARDED_BY(lock_);
  std::vector<const std::byte*> slabs_ RINGO_GUARDED_BY(lock_);
  std::byte* slab_next_ RINGO_GUARDED_BY(lock_) = nullptr;
  std::byte* slab_end_ RINGO_GUARDED_BY(lock_) = nullptr;
  std::atomic<bool> trimmable_{false};  // atomic: a hint that saves the lock

  bool map_slab() noexcept RINGO_REQUIRES(lock_);
  void make_room() RINGO_REQUIRES(lock_);
};

/// How guards are made on this kernel; for the documentation of limits and for tests.
enum class guard_kind : std::uint8_t {
  madvise,   ///< MADV_GUARD_INSTALL: no mapping of its own, for every stack
  mprotect,  ///< two mappings each: only while they fit into half of vm.max_map_count
};
guard_kind guards_in_use() noexcept;
/// Stacks that had to go without a guard (mprotect only).
std::size_t stacks_without_guard() noexcept;

/// The stacks that one worker keeps at hand, for stacks of the default size. One owner.
class stack_cache {
 public:
  stack take(std::size_t size) noexcept;
  void put(stack s) noexcept;
  /// Gives everything to the pool.
  void flush() noexcept;
  /// Stacks of this size are cached; others go straight to their pool. Call while the cache is
  /// empty.
  void set_size(std::size_t size) noexcept { size_ = size; }

 private:
  static constexpr std::size_t capacity = 2 * stack_batch_max;
  // relaxed: one worker's thread; atomic only because its fibers are threads to ThreadSanitizer
  std::atomic<std::size_t> count_{0};
  std::array<std::atomic<std::byte*>, capacity> slots_{};
  std::size_t size_ = stack_size_default;
};

}  // namespace ringo::detail
