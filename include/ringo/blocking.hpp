#pragma once

#include <type_traits>
#include <utility>

namespace ringo {
namespace detail {

/// Makes the running fiber's thread count as a plain thread for a scope.
class blocking_section {
 public:
  blocking_section() noexcept;
  blocking_section(const blocking_section&) = delete;
  blocking_section& operator=(const blocking_section&) = delete;
  ~blocking_section();

 private:
  void* worker_;
};

}  // namespace detail

/// Runs fn, which may block its thread: a system call, a foreign library. Same thread, same stack; returns
/// what fn returns, and exceptions pass through. Inside fn the caller counts as a plain thread: ringo's
/// operations work, and block the thread; go() uses the inject queue.
///
/// If other fibers are waiting for a worker when fn begins, another thread takes over the right to run them at once;
/// the fiber then continues where there is a worker for it, so perhaps on another thread, after fn. Costs next to
/// nothing when nobody waits.
///
/// Limit of this version: fibers that become runnable later, while fn is under way, are run by the other
/// workers only. If every worker is inside such a call, they wait until the first one returns.
template <typename Fn>
decltype(auto) blocking(Fn&& fn) {
  const detail::blocking_section section;
  return std::forward<Fn>(fn)();
}

}  // namespace ringo
