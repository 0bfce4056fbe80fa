#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <ringo/detail/annotations.hpp>
#include <ringo/detail/config.hpp>
#include <ringo/detail/spinlock.hpp>

namespace ringo {
namespace detail {

/// A number that stays the same while the caller stays on its CPU.
std::size_t pool_shard_hint() noexcept;

}  // namespace detail

/// Go's sync.Pool: keeps values that are not in use, so that they need not be made anew: buffers,
/// parsers, connections that may be dropped. get() gives any value that was put, or a new one; a
/// value may vanish at any time. Holds at most 1024 values (64 for each of 16 groups of CPUs), and
/// those until trim(), or for its life: there is no collector that empties it.
///
/// T moves without throwing; its move must not park.
/// Thread-safe, but for the destructor. May be made and used before and after run(). May be
/// destroyed when every call has returned. What was done before a put() is visible after the get()
/// that returns its value. Source: Go's sync.Pool.
template <typename T>
class pool {
 public:
  static_assert(std::is_nothrow_move_constructible_v<T>, "values are moved under a lock");

  /// get() is empty when there is nothing to be had.
  pool() = default;
  /// get() calls `make`, of whatever callers at the same time, when there is nothing to be had.
  explicit pool(std::function<T()> make) : make_(std::move(make)) {}
  pool(const pool&) = delete;
  pool& operator=(const pool&) = delete;
  ~pool() = default;

  /// A value that somebody has put; else what `make` returns, or empty without one. Blocks only as
  /// far as `make` does; what that throws leaves get(). O(1); allocates only in `make`.
  std::optional<T> get() {
    const std::size_t own = detail::pool_shard_hint();
    for (std::size_t i = 0; i < shard_count; ++i) {
      std::optional<T> value = shards_[(own + i) % shard_count].take();
      if (value) return value;
    }
    if (make_) return make_();
    return std::nullopt;
  }

  /// Gives a value for others to use; a null pointer is ignored. Never blocks. Destroys the value
  /// if there are enough. O(1); the first ones allocate.
  void put(T value) {
    if constexpr (std::is_pointer_v<T> || requires {
                    typename T::element_type;
                    value == nullptr;
                  }) {
      if (value == nullptr) return;
    }
    shards_[detail::pool_shard_hint() % shard_count].keep(value);
  }

  /// Destroys the values that are in the pool. Never blocks. O(values).
  void trim() {
    for (shard& one : shards_) one.clear();
  }

 private:
  static constexpr std::size_t shard_count = 16;
  static constexpr std::size_t values_max = 64;  // of a shard

  /// User code runs outside of the lock, but for T's move.
  class alignas(detail::cache_line) shard {
   public:
    std::optional<T> take() {
      // relaxed: a value that is missed may as well have vanished
      if (count_.load(std::memory_order_relaxed) == 0) return std::nullopt;
      const detail::spin_guard guard(lock_);
      if (values_.empty()) return std::nullopt;
      std::optional<T> value(std::move(values_.back()));
      values_.pop_back();
      count_.store(values_.size(), std::memory_order_relaxed);  // relaxed: as above
      return value;
    }

    void keep(T& value) {
      const detail::spin_guard guard(lock_);
      if (values_.size() == values_max) return;
      if (values_.capacity() == 0) values_.reserve(values_max);
      values_.push_back(std::move(value));
      count_.store(values_.size(), std::memory_order_relaxed);  // relaxed: see take()
    }

    void clear() {
      std::vector<T> dropped;
      const detail::spin_guard guard(lock_);
      dropped.swap(values_);
      count_.store(0, std::memory_order_relaxed);  // relaxed: see take()
    }

   private:
    detail::spinlock lock_;
    std::vector<T> values_ RINGO_GUARDED_BY(lock_);
    std::atomic<std::size_t> count_{0};  // relaxed: its size, for a look from outside
  };

  const std::function<T()> make_;
  std::array<shard, shard_count> shards_;
};

}  // namespace ringo
