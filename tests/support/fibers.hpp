#pragma once

// Fibers under observation: groups to join, and fibers known to be parked.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ringo/detail/inspect.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/task.hpp>

#include "eventually.hpp"
#include "expect.hpp"
#include "explored.hpp"

namespace ringo::test {

/// The text of the panic that `fn` throws, or "" when it throws none.
template <class F>
std::string panic_text(F&& fn) {
  try {
    std::forward<F>(fn)();
  } catch (const ringo::panic_error& panic) {
    return panic.what();
  }
  return "";
}

/// Fibers that are started together and joined together; the join parks, and rethrows.
class fiber_group {
 public:
  template <class F>
  void go(F&& fn) {
    tasks_.push_back(ringo::spawn(std::forward<F>(fn)));
  }

  void join() {
    for (auto& task : tasks_) task.join();
    tasks_.clear();
  }

 private:
  std::vector<ringo::task<void>> tasks_;
};

inline bool is_parked_for(std::uint64_t fiber, std::string_view reason) {
  const char* const actual = ringo::detail::wait_reason_of(fiber);
  return actual != nullptr && reason == actual;
}

/// A fiber whose end, and whose panic, others may look at. Copies watch the same fiber.
class watched_fiber {
 public:
  template <class F>
  static watched_fiber start(F&& fn) {
    watched_fiber result;
    ringo::go([state = result.state_, body = std::forward<F>(fn)]() mutable {
      state->id = ringo::this_fiber::id();
      state->panic = panic_text(body);
      state->finished = true;
    });
    return result;
  }

  bool finished() const { return state_->finished; }

  bool parked_for(std::string_view reason) const {
    const std::uint64_t id = state_->id;
    return id != 0 && is_parked_for(id, reason);
  }

  /// Waits for its end and returns the text of its panic, "" for none.
  std::string wait() const {
    eventually([this] { return finished(); }, "a fiber to end");
    return state_->panic;
  }

 private:
  struct state {
    std::atomic<std::uint64_t> id{0};
    std::atomic<bool> finished{false};
    std::string panic;  // written before finished, read after it
  };
  std::shared_ptr<state> state_ = std::make_shared<state>();
};

/// Starts a fiber and returns when it is parked for `reason`. Called several times in a row it
/// fixes the order in which fibers stand in a queue.
template <class F>
watched_fiber go_until_parked(const char* reason,
                              F&& fn,
                              const char* file = __builtin_FILE(),
                              int line = __builtin_LINE()) {
  watched_fiber fiber = watched_fiber::start(std::forward<F>(fn));
  bool parked = false;  // once is enough: a sleeper may have gone on meanwhile
  eventually(
      [&] { return (parked = fiber.parked_for(reason)) || fiber.finished(); }, reason, file, line);
  expect(parked, reason, file, line);
  return fiber;
}

inline constexpr const char* parked_in_send = "chan send";
inline constexpr const char* parked_in_recv = "chan receive";
inline constexpr const char* parked_in_select = "select";

/// Fibers that are parked, but for the one that waits for a test that is explored.
inline std::size_t parked_fibers() {
  return ringo::detail::parked_count() - (is_explored() ? 1 : 0);
}

/// num_fibers(), as the test would count them if it were not explored.
inline std::size_t live_fibers() {
  return ringo::num_fibers() - (is_explored() ? 1 : 0);
}

/// Waits until exactly `count` fibers are parked, whatever for.
inline void wait_until_parked(std::size_t count,
                              const char* file = __builtin_FILE(),
                              int line = __builtin_LINE()) {
  eventually([count] { return parked_fibers() == count; }, "fibers to park", file, line);
}

}  // namespace ringo::test
