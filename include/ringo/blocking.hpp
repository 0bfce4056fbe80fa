#pragma once

#include <type_traits>
#include <utility>

namespace ringo {
namespace detail {

/// Makes the running fiber's thread count as a plain thread for a scope. Its constructor may have
/// to start a thread; what fails there is fatal, out of memory included.
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

/// Runs fn, which may block its thread: a system call, a foreign library. Same thread, same stack;
/// returns what fn returns, and exceptions pass through. On a plain thread it only calls fn. Nests.
///
/// Blocks the thread for as long as fn does. Inside fn the caller waits as a plain thread does:
/// ringo's operations work, and block the thread; go() uses the inject queue. But it is still the
/// fiber: this_fiber, fiber_local, thread_pin and goexit() are what they are outside, so that code
/// which asks for them (a logger, say) does not depend on where it is called from.
///
/// If other fibers wait for a worker when fn begins, another thread takes over the right to run
/// them at once; if some become ready later, and every other worker is busy, then. After fn the
/// fiber goes on where a worker is free, perhaps on another thread. Without blocking() the same
/// happens, but only after the thread has not come by for 10 to 15 ms.
///
/// While fn runs no deadlock is reported. With io_uring, epoll_wait, sigtimedwait, semtimedop and a
/// recv with a timeout may fail with EINTR inside fn: repeat them.
/// Fatal: "thread limit reached". A few loads when nobody waits; else takes a lock, and allocates
/// (running out of memory ends the process) only when it must start a thread.
/// Source: Go's entersyscall and exitsyscall.
template <typename Fn>
decltype(auto) blocking(Fn&& fn) {
  const detail::blocking_section section;
  return std::forward<Fn>(fn)();
}

}  // namespace ringo
