#pragma once

// What a C++ programmer without a library writes: a channel, a wait group and a fan-in, each one
// mutex and condition variables. Plain on purpose: this is the baseline, not a contender.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace compare {

/// Capacity 0: the sender waits until a receiver has taken its value, as Go's unbuffered channel.
template <class T>
class thread_chan {
 public:
  explicit thread_chan(std::size_t capacity) : capacity_(capacity) {}

  /// False: closed, the value was not taken.
  bool send(T value) {
    std::unique_lock lock(mutex_);
    const std::size_t room = capacity_ == 0 ? 1 : capacity_;
    not_full_.wait(lock, [&] { return closed_ || queue_.size() < room; });
    if (closed_) return false;
    queue_.push_back(std::move(value));
    const std::uint64_t ticket = ++sent_;
    not_empty_.notify_one();
    if (capacity_ > 0) return true;
    taken_.wait(lock, [&] { return received_ >= ticket || closed_; });
    return received_ >= ticket;
  }

  /// Empty: closed and drained.
  std::optional<T> recv() {
    std::unique_lock lock(mutex_);
    not_empty_.wait(lock, [&] { return closed_ || !queue_.empty(); });
    return take();
  }

  std::optional<T> try_recv() {
    const std::lock_guard lock(mutex_);
    return take();
  }

  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    not_full_.notify_all();
    not_empty_.notify_all();
    taken_.notify_all();
  }

 private:
  std::optional<T> take() {
    if (queue_.empty()) return std::nullopt;
    std::optional<T> value(std::move(queue_.front()));
    queue_.pop_front();
    ++received_;
    // One sender at most waits to be taken: capacity 0 has room for one value.
    taken_.notify_one();
    not_full_.notify_one();
    return value;
  }

  const std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable not_full_;
  std::condition_variable not_empty_;
  std::condition_variable taken_;
  std::deque<T> queue_;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
  bool closed_ = false;
};

/// Unbuffered lanes that share one mutex, so that one receiver can wait for all: what select is to
/// channels. A thread cannot wait on several condition variables.
template <class T, std::size_t Lanes>
class thread_fan_in {
 public:
  void send(std::size_t lane, T value) {
    std::unique_lock lock(mutex_);
    taken_[lane].wait(lock, [&] { return !lanes_[lane]; });
    lanes_[lane] = std::move(value);
    any_.notify_one();
    taken_[lane].wait(lock, [&] { return !lanes_[lane]; });
  }

  T recv() {
    std::unique_lock lock(mutex_);
    for (;;) {
      for (std::size_t i = 0; i < Lanes; ++i) {
        // Round robin, so that no lane starves.
        const std::size_t lane = next_++ % Lanes;
        if (!lanes_[lane]) continue;
        T value = *std::exchange(lanes_[lane], std::nullopt);
        taken_[lane].notify_all();
        return value;
      }
      any_.wait(lock);
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable any_;
  std::condition_variable taken_[Lanes];
  std::optional<T> lanes_[Lanes];
  std::size_t next_ = 0;
};

class thread_wait_group {
 public:
  void add(std::int64_t n) {
    const std::lock_guard lock(mutex_);
    count_ += n;
  }
  void done() {
    // Notifies under the lock: the waiter may destroy the group at once.
    const std::lock_guard lock(mutex_);
    if (--count_ == 0) zero_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    zero_.wait(lock, [&] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable zero_;
  std::int64_t count_ = 0;
};

}  // namespace compare
