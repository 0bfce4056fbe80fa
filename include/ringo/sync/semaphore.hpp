#pragma once

#include <cstddef>
#include <cstdint>
#include <system_error>

#include <ringo/detail/bubble_id.hpp>
#include <ringo/detail/cancellable.hpp>
#include <ringo/detail/grant_queue.hpp>

namespace ringo {

/// Go's semaphore.Weighted: so many tokens, of which each caller takes as many as it needs.
/// Strictly first come, first served: a large request at the front makes small ones behind it wait,
/// so that nobody starves. Any fiber or plain thread may release what another one has acquired.
///
/// Thread-safe, but for the destructor. May be made and used before and after run(). May be
/// destroyed as soon as acquire() has returned in every caller, even while the release() that let
/// it in is still returning elsewhere; who waits for a destroyed one waits for ever.
/// What was done before a release() is visible after the acquire() that takes its tokens.
/// Source: golang.org/x/sync/semaphore.
class semaphore {
 public:
  /// With so many tokens, all free. Panics: "semaphore: count out of range" (negative, or 2^60 or
  /// more).
  explicit semaphore(std::ptrdiff_t n) : queue_(payload_of(n)), size_(n) {}
  semaphore(const semaphore&) = delete;
  semaphore& operator=(const semaphore&) = delete;
  ~semaphore() = default;

  /// Takes n tokens. Blocks only the fiber (or the plain thread), until n are free and all who came
  /// before have got theirs; for ever, and without keeping anybody else waiting, if there are not
  /// that many in all. Panics: "semaphore: count out of range". O(1), allocates nothing.
  void acquire(std::ptrdiff_t n = 1);
  /// The same, but gives up with ctx.err() when the context is done, and at once if it is done on
  /// entry, even if tokens are free; it has then taken none, and those behind it go on. Empty: the
  /// caller has n tokens. Panics also "nil context".
  [[nodiscard]] std::error_code acquire(const context& ctx, std::ptrdiff_t n = 1) {
    return acquire_unless(detail::cancellation_of(ctx), n);
  }
  /// Takes n tokens if they are free and nobody waits; false: it took none. Never blocks. Panics as
  /// acquire(). O(1), allocates nothing.
  bool try_acquire(std::ptrdiff_t n = 1);
  /// Gives n tokens back, and wakes those at the front whose requests they fulfil. Never blocks.
  /// Panics, and changes nothing: "semaphore: released more than held"; "semaphore: count out of
  /// range". O(1) and O(1) for each it wakes; allocates nothing.
  void release(std::ptrdiff_t n = 1);

 private:
  using queue = detail::grant_queue;

  queue queue_;
  const std::ptrdiff_t size_;
  const detail::bubble_id group_ = detail::current_bubble();

  static std::uint64_t payload_of(std::ptrdiff_t n);
  void enter() const;
  std::error_code acquire_unless(detail::cancellation* stop, std::ptrdiff_t n);
};

}  // namespace ringo
