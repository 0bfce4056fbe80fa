#pragma once

#include <cstdint>
#include <utility>

#include <ringo/detail/sync_queue.hpp>

namespace ringo {

/// Runs a function exactly once. An exception out of it (or goexit) counts as done, unlike
/// std::call_once: it reaches that caller only, and later calls do nothing.
///
/// May be made and used before and after run(). May be destroyed as soon as call() has returned in
/// every caller. Source: Go's sync.Once.
class once {
 public:
  constexpr once() noexcept = default;
  once(const once&) = delete;
  once& operator=(const once&) = delete;
  ~once() = default;

  /// Runs fn if no call has done so yet; else waits until that run is over. Blocks only the fiber
  /// (or the plain thread); for ever when it is called from inside fn. What fn throws leaves the
  /// call that ran it.
  /// Thread-safe. What fn did is visible after every call(). One load once fn has run; allocates
  /// nothing.
  template <typename Fn>
  void call(Fn&& fn) {
    if (RINGO_LIKELY(queue_.load() == finished)) return;
    if (!begin()) return;
    const end_of_run end{*this};
    std::forward<Fn>(fn)();
  }

 private:
  using queue = detail::sync_queue<std::uint32_t>;
  static constexpr std::uint32_t running = 1U << queue::payload_shift;
  static constexpr std::uint32_t finished = 2U << queue::payload_shift;

  struct end_of_run {
    once& self;
    ~end_of_run() { self.finish(); }
  };

  queue queue_;

  /// True: the caller is to run the function, and then to call finish().
  bool begin();
  void finish() noexcept;
};

}  // namespace ringo
