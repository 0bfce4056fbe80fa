#pragma once

#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

namespace compare {

// Each thread takes two mappings and a process id: well below the stock limits of both.
constexpr std::int64_t threads_max = 10'000;

/// Threads that are joined at the end of the scope.
class thread_set {
 public:
  thread_set() = default;
  thread_set(const thread_set&) = delete;
  thread_set& operator=(const thread_set&) = delete;
  ~thread_set() { join(); }

  template <class Fn>
  void go(Fn fn) {
    threads_.emplace_back(std::move(fn));
  }
  void join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  std::vector<std::thread> threads_;
};

}  // namespace compare
