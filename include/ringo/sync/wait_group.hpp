#pragma once

#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

#include <ringo/detail/sync_queue.hpp>
#include <ringo/go.hpp>

namespace ringo {

/// Go's sync.WaitGroup: counts work that is under way and lets others wait for its end. Usable again after it
/// has reached zero. Works on plain threads too.
///
/// What was done before done() is visible after the wait() it ends. May be destroyed as soon as wait() has
/// returned, even while the done() that ended it is still returning elsewhere; not while others wait.
class wait_group {
 public:
  constexpr wait_group() noexcept = default;
  wait_group(const wait_group&) = delete;
  wait_group& operator=(const wait_group&) = delete;
  ~wait_group() = default;

  /// Adds n, which may be negative, to the counter; at zero, everybody who waits is woken. Call it before the
  /// work starts, not inside. Never blocks. Panics "sync: negative WaitGroup counter".
  void add(int n = 1);
  /// add(-1).
  void done() { add(-1); }

  /// Blocks until the counter is zero; returns at once if it is. O(1), allocates nothing.
  void wait();

  /// Go 1.25's WaitGroup.Go: add(1), then ringo::go(fn), which calls done() when fn has returned or called
  /// goexit(). An exception that leaves fn ends the process before anybody is released.
  template <typename Fn>
    requires detail::spawnable<Fn>
  void go(Fn&& fn) {
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

};

}  // namespace ringo
