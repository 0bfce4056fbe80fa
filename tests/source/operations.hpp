#pragma once

// Operations, or with epoll waits until they can be tried again, without a scheduler: what a fiber,
// its departure and its wakers do, on the thread that owns the engine, with control blocks that
// stand for fibers.

#include <doctest/doctest.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <ringo/detail/spinlock.hpp>

#include "io/system_call.hpp"
#include "source/engine.hpp"
#include "source/poll_entry.hpp"
#include "source/ring.hpp"
#include "support/sizes.hpp"

namespace ringo::test {

using detail::engine;
using detail::engine_kind;
using detail::fiber;
using detail::fiber_queue;
using detail::opcode;
using detail::operation;
using detail::poll_entry;
using detail::ring_fault_plan;

/// One way to make an engine.
struct engine_maker {
  std::string name;
  engine_kind kind;
  std::function<std::unique_ptr<engine>(std::error_code&)> make;
};

inline engine_maker sound(engine_kind kind) {
  return {kind == engine_kind::epoll ? "epoll" : "io_uring", kind, [kind](std::error_code& error) {
            return detail::make_engine_patiently(kind, error);
          }};
}

inline engine_maker misbehaving(const std::string& name, const ring_fault_plan& plan) {
  return {name, engine_kind::io_uring, [plan](std::error_code& error) {
            return detail::make_ring_engine(plan, error);
          }};
}

inline std::vector<engine_maker> rings() {
  return {sound(engine_kind::io_uring), misbehaving("as Linux 5.15", {.old_kernel = true})};
}

inline std::vector<engine_maker> all_engines() {
  auto all = rings();
  all.push_back(sound(engine_kind::epoll));
  return all;
}

/// Of the only engine that is waited in since the generation began.
inline bool under_way(const engine& source) {
  const std::uint64_t ended = detail::waits_ended();
  return source.waits_begun() != ended || source.busy();
}

/// Calls `test` with an engine of each kind that works here, and its maker.
template <typename Test>
void for_each(const std::vector<engine_maker>& makers, Test test) {
  for (const engine_maker& each : makers) {
    CAPTURE(each.name);
    std::error_code error;
    const auto source = each.make(error);
    if (source == nullptr && each.kind == engine_kind::io_uring) {
      MESSAGE("no io_uring here: " << error.message());
      continue;
    }
    REQUIRE(source != nullptr);
    detail::next_engine_generation();
    test(*source, each.kind);
    CHECK_FALSE(under_way(*source));
  }
}

/// What `call` finds goes to the end of `ended`, and counts as queued.
template <typename Call>
void call_into(engine& source, fiber_queue& ended, Call call) {
  fiber_queue found;
  call(found);
  std::uint32_t count = 0;
  for (; detail::fiber* f = found.pop(); ++count) ended.push(f);
  source.handed_over(count);
}
inline void wait_into(engine& source, detail::time_point deadline, fiber_queue& ended) {
  call_into(source, ended, [&](fiber_queue& found) { source.wait(deadline, found); });
}
inline void reap_into(engine& source, fiber_queue& ended) {
  call_into(source, ended, [&](fiber_queue& found) { source.reap(found); });
}
inline void cancel_all_into(engine& source, fiber_queue& ended) {
  call_into(source, ended, [&](fiber_queue& found) { source.cancel_all(found); });
}

/// A descriptor that is closed in the end.
class owned_fd {
 public:
  owned_fd() = default;
  explicit owned_fd(int fd) : fd_(fd) { REQUIRE(fd >= 0); }
  owned_fd(owned_fd&& from) noexcept : fd_(std::exchange(from.fd_, -1)) {}
  owned_fd& operator=(owned_fd&& from) noexcept {
    reset();
    fd_ = std::exchange(from.fd_, -1);
    return *this;
  }
  ~owned_fd() { reset(); }
  int get() const noexcept { return fd_; }
  void reset() noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

/// Ours does not block, theirs does.
struct pair_of_fds {
  owned_fd ours;
  owned_fd theirs;
};

inline pair_of_fds stream_pair() {
  std::array<int, 2> ends{-1, -1};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  REQUIRE(::fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
  return {owned_fd(ends[0]), owned_fd(ends[1])};
}

/// Of a pipe, ours is the end to read from.
inline pair_of_fds pipe_pair() {
  std::array<int, 2> ends{-1, -1};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  REQUIRE(::fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
  return {owned_fd(ends[0]), owned_fd(ends[1])};
}

/// Stands for a fiber that waits for one operation at a time.
class operation_waiter {
 public:
  operation op;

  explicit operation_waiter(engine& source, engine_kind kind) : source_(source), kind_(kind) {
    detail::fiber_registry::instance().take(&who_, 1);
    who_->subject.store(this);
  }
  operation_waiter(const operation_waiter&) = delete;
  operation_waiter& operator=(const operation_waiter&) = delete;
  ~operation_waiter() {
    CHECK_FALSE(under_way_);
    drop_entry();
    who_->subject.store(nullptr);
    detail::fiber_registry::instance().give_back(&who_, 1);
  }

  static operation_waiter& of(fiber* f) noexcept {
    return *static_cast<operation_waiter*>(f->subject.load());
  }

  /// The owner's thread, as a departing fiber: `op` says what is wanted. True: it has ended
  /// already.
  [[nodiscard]] bool start() {
    if (under_way_) FAIL("started twice");
    under_way_ = true;
    if (kind_ == engine_kind::epoll) return wait_until_ready();
    op.who = who_;
    op.holds.store(2);
    source_.operations()->start(op);
    list();
    return op.let_go();
  }

  /// Any thread. Not null: it has ended.
  fiber* cancel() {
    const detail::spin_guard guard(lock_);
    if (!listed_) return nullptr;
    if (kind_ != engine_kind::epoll) return op.home->cancel(op);
    if (op.result == -ECANCELED) return nullptr;
    fiber* const who = detail::call_off(*entry_, way());
    if (who != nullptr) op.result = -ECANCELED;
    return who;
  }

  /// The owner's thread, as a fiber that is awake again.
  std::int64_t finish() {
    {
      const detail::spin_guard guard(lock_);
      listed_ = false;
    }
    if (!under_way_) FAIL("ended twice");
    under_way_ = false;
    if (kind_ != engine_kind::epoll && (op.holds.load() & ~operation::called_off) != 0) {
      FAIL("somebody still has a hold");
    }
    return op.result;
  }

  bool under_way() const noexcept { return under_way_; }
  engine_kind kind() const noexcept { return kind_; }

  void drop_entry() {
    if (entry_ != nullptr) detail::give_up(*std::exchange(entry_, nullptr));
  }

 private:
  engine& source_;
  const engine_kind kind_;
  fiber* who_ = nullptr;
  poll_entry* entry_ = nullptr;
  bool under_way_ = false;
  detail::spinlock lock_;
  bool listed_ RINGO_GUARDED_BY(lock_) = false;

  void list() {
    const detail::spin_guard guard(lock_);
    listed_ = true;
  }
  poll_entry::direction way() const noexcept {
    return (op.events & POLLIN) != 0 ? poll_entry::reading : poll_entry::writing;
  }
  bool wait_until_ready() {
    if (entry_ == nullptr) entry_ = detail::take_poll_entry();
    op.result = source_.enlist(*entry_, op.fd);
    if (op.result != 0) return true;
    op.result = -EAGAIN;
    list();
    source_.wait_begins();
    if (entry_->wait(way(), *who_)) return false;
    source_.wait_declined();
    return true;
  }
};

/// Fibers that others have found ended, on their way to the owner.
class hand_over {
 public:
  explicit hand_over(engine& to) : to_(to) {}

  void give(fiber_queue& ended) {
    if (ended.empty()) return;
    {
      const std::lock_guard<std::mutex> guard(lock_);
      while (fiber* f = ended.pop()) waiting_.push_back(f);
    }
    to_.wake();
  }
  void give(fiber* f) {
    fiber_queue one;
    if (f != nullptr) one.push(f);
    give(one);
  }
  std::vector<fiber*> take() {
    const std::lock_guard<std::mutex> guard(lock_);
    return std::exchange(waiting_, {});
  }

 private:
  engine& to_;
  std::mutex lock_;
  std::vector<fiber*> waiting_;  // guarded by lock_
};

/// Sleeps until something has ended, and calls `visit` with each operation_waiter that has.
template <typename Visit>
void wait_once(engine& source, hand_over* others, Visit visit) {
  fiber_queue ended;
  const auto limit = sizes::patience;
  const auto start = detail::steady_clock::now();
  wait_into(source, start + limit, ended);
  if (detail::steady_clock::now() - start >= limit) FAIL("a wake-up was lost");
  reap_into(source, ended);
  while (fiber* f = ended.pop()) visit(operation_waiter::of(f));
  if (others == nullptr) return;
  for (fiber* f : others->take()) visit(operation_waiter::of(f));
}

/// Until this one has ended.
inline std::int64_t result_of(engine& source, operation_waiter& w, bool ended_already) {
  bool over = ended_already;
  while (!over) {
    wait_once(source, nullptr, [&](operation_waiter& other) { over |= &other == &w; });
  }
  return w.finish();
}

/// Does what `op` says, as a fiber would that tries as often as it is told to. A ring does it
/// without a try before.
inline std::int64_t carry_out(engine& source, operation_waiter& w) {
  for (bool tries = w.kind() == engine_kind::epoll;; tries = true) {
    if (tries) {
      const std::int64_t tried = detail::make_call(w.op);
      if (tried != -EAGAIN) return tried;
    }
    const std::int64_t result = result_of(source, w, w.start());
    if (result != -EAGAIN) return result;
  }
}

}  // namespace ringo::test
