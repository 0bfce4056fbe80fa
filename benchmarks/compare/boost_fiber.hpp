#pragma once

// What the files of the Boost.Fiber rival share.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include <boost/fiber/all.hpp>

namespace compare::boost_fiber {

using std::int64_t;

// A fiber of ours needs no more; the default of 128 KiB would be one mapping each.
constexpr std::size_t stack_size = 16 * 1024;
// Each touches two pages of its stack and more: a million would need over 8 GB.
constexpr int64_t fibers_max = 100'000;

template <class Fn>
boost::fibers::fiber spawn(Fn fn) {
  return boost::fibers::fiber(boost::fibers::launch::post,
                              std::allocator_arg,
                              boost::fibers::fixedsize_stack(stack_size),
                              std::move(fn));
}

template <class Fn>
void go(Fn fn) {
  spawn(std::move(fn)).detach();
}

class wait_group {
 public:
  void add(int64_t n) { count_ += n; }
  void done() {
    if (--count_ > 0) return;
    // Notifies under the lock: the waiter may destroy the group at once.
    const std::lock_guard lock(mutex_);
    is_zero_ = true;
    zero_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    zero_.wait(lock, [&] { return is_zero_; });
  }

 private:
  std::atomic<int64_t> count_ = 0;
  boost::fibers::mutex mutex_;
  boost::fibers::condition_variable zero_;
  bool is_zero_ = false;
};

}  // namespace compare::boost_fiber
