#pragma once

// Plain threads in tests. A fiber must not block its worker in std::thread::join while the thread
// waits for another fiber, so `join` first lets fibers run until the threads are through.

#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <fstream>
#include <list>
#include <string>
#include <thread>
#include <utility>

#include "eventually.hpp"
#include "explored.hpp"

namespace ringo::test {

class thread_group {
 public:
  thread_group() = default;
  thread_group(const thread_group&) = delete;
  thread_group& operator=(const thread_group&) = delete;
  ~thread_group() {
    for (auto& one : members_) {
      if (one.thread.joinable()) one.thread.join();
    }
  }

  template <class F>
  void start(F&& fn) {
    leave_unless_free("plain threads");
    member& self = members_.emplace_back();
    self.thread = std::thread([&self, body = std::forward<F>(fn)]() mutable {
      self.tid = ::gettid();
      body();
      self.finished = true;
    });
  }

  bool finished() const {
    for (const auto& one : members_) {
      if (!one.finished) return false;
    }
    return true;
  }

  void join() {
    eventually([this] { return finished(); }, "threads to end");
    for (auto& one : members_) one.thread.join();
    members_.clear();
  }

  /// Waits until every thread of the group sleeps in the kernel: the nearest thing to "parked" that
  /// can be seen of a plain thread.
  void wait_until_asleep() const {
    eventually([this] { return asleep(); }, "threads to fall asleep");
  }

 private:
  struct member {
    std::thread thread;
    std::atomic<int> tid{0};
    std::atomic<bool> finished{false};
  };
  std::list<member> members_;  // a list: threads hold references

  bool asleep() const {
    for (const auto& one : members_) {
      if (one.tid == 0 || state_of(one.tid) != 'S') return false;
    }
    return true;
  }

  /// The state letter, third field of /proc/self/task/TID/stat; the second one is in parentheses.
  static char state_of(int tid) {
    std::ifstream file("/proc/self/task/" + std::to_string(tid) + "/stat");
    std::string line;
    std::getline(file, line);
    const std::size_t end_of_name = line.rfind(')');
    if (end_of_name == std::string::npos || end_of_name + 2 >= line.size()) return '?';
    return line[end_of_name + 2];
  }
};

}  // namespace ringo::test
