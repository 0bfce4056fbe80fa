#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <ringo/detail/bubble_id.hpp>
#include <ringo/detail/cancellable.hpp>
#include <ringo/detail/sync_queue.hpp>
#include <ringo/go.hpp>

namespace ringo {

/// Counts work that is under way and lets others wait for its end. Usable again after it has
/// reached zero.
///
/// @snippet tests/docs/guide_test.cpp group
///
/// Thread-safe, but for the destructor; works on plain threads, and before and after run(). May be
/// destroyed as soon as wait() has returned, even while the done() that ended it is still returning
/// elsewhere; not while others wait. What was done before done() is visible after the wait() it
/// ends.
/// Source: Go's sync.WaitGroup.
class wait_group {
 public:
  constexpr wait_group() noexcept = default;
  wait_group(const wait_group&) = delete;
  wait_group& operator=(const wait_group&) = delete;
  ~wait_group() = default;

  /// Adds n, which may be negative, to the counter; at zero, everybody who waits is woken. Call it
  /// before the work starts, not inside. Never blocks. Panics, and changes nothing: "sync: negative
  /// WaitGroup counter"; "sync: WaitGroup counter out of range" (more than 2^31 - 1). O(1), at zero
  /// O(waiters); allocates nothing.
  void add(int n = 1);
  /// As add(-1).
  void done() { add(-1); }

  /// Waits until the counter is zero; returns at once if it is. Blocks only the fiber (or the plain
  /// thread). O(1), allocates nothing.
  void wait();

  /// The same, but gives up with ctx.err() when the context is done, and at once if it is done on
  /// entry. Empty: the counter was zero. Panics "nil context".
  [[nodiscard]] std::error_code wait(const context& ctx) {
    return wait_unless(detail::cancellation_of(ctx));
  }

  /// add(1), then ringo::go(fn), which calls done() when fn has returned or called goexit(), and
  /// what it owns is destroyed. An exception that leaves fn ends the process before anybody is
  /// released. Never blocks. Panics and allocates as ringo::go() and add(); the counter is then as
  /// before. The wait_group must live until fn has returned: wait() before it goes.
  /// Source: Go 1.25's WaitGroup.Go.
  template <typename Fn>
  requires detail::spawnable<Fn>
  [[gnu::always_inline]] void go(Fn&& fn) {
    detail::check_not_nil(fn);
    add(1);
    try {
      ringo::go([this, fn = std::optional<std::decay_t<Fn>>(std::forward<Fn>(fn))]() mutable {
        try {
          (*fn)();
        } catch (...) {
          if (!detail::fiber_is_exiting()) throw;
          fn.reset();
          done();
          throw;
        }
        fn.reset();  // what it owns is gone when wait() returns
        done();
      });
    } catch (...) {
      done();
      throw;
    }
  }

 private:
  using queue = detail::sync_queue<std::uint64_t>;
  static constexpr int count_shift = 32;

  queue queue_;
  // The bubble it has been raised from zero in. Relaxed: add() from zero comes before wait().
  std::atomic<detail::bubble_id> group_{0};

  void enter(std::uint64_t word, int n);
  bool wait(detail::sync_waiter<std::uint64_t>& self);
  std::error_code wait_unless(detail::cancellation* stop);
  friend struct wait_group_waits;
};

}  // namespace ringo
