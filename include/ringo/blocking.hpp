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
/// Limit of this version: the worker's turn is not passed on while fn runs, so that with N workers, N
/// blocked calls hold up every other fiber. What waits in this worker's queue is stolen by the
/// others meanwhile.
template <typename Fn>
decltype(auto) blocking(Fn&& fn) {
  const detail::blocking_section section;
  return std::forward<Fn>(fn)();
}

}  // namespace ringo
