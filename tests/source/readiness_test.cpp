// What only the epoll engine promises: where its events go.

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <system_error>
#include <thread>

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ringo/detail/config.hpp>

#include "source/engine.hpp"
#include "source/poll_entry.hpp"
#include "support/sizes.hpp"

using namespace ringo::test;
using namespace ringo::detail;

namespace {

std::unique_ptr<engine> make() {
  std::error_code error;
  auto made = make_epoll_engine(error);
  REQUIRE(made != nullptr);
  return made;
}

/// Waits for an eventfd to become readable, as a fiber would.
class waiting_operation {
 public:
  void start(engine& source, fiber* who) {
    op_.code = opcode::poll;
    op_.events = POLLIN;
    op_.fd = fd_;
    op_.entry = take_poll_entry();
    start_again(source, who);
  }
  /// For the same descriptor, after it has ended.
  void start_again(engine& source, fiber* who) {
    std::uint64_t count = 0;
    static_cast<void>(::read(fd_, &count, sizeof count));
    op_.who = who;
    op_.holds = 2;
    source.start(op_);
    static_cast<void>(op_.let_go());
  }
  void describe_the_other_direction(operation& of) const {
    of.events = POLLOUT;
    of.fd = fd_;
    of.entry = op_.entry;
  }
  void signal() {
    const std::uint64_t one = 1;
    CHECK(::write(fd_, &one, sizeof one) == sizeof one);
  }
  /// Ends it, unless it has ended.
  void end() {
    static_cast<void>(op_.home->cancel(op_));
    while ((op_.holds & ~operation::called_off) != 0) std::this_thread::yield();
    {
      spin_guard guard(op_.entry->lock);
      op_.entry->home.load()->forget(*op_.entry);
      op_.entry->leave_set();
    }
    give_back(*op_.entry);
    std::uint64_t count = 0;
    static_cast<void>(::read(fd_, &count, sizeof count));
  }

  waiting_operation() = default;
  waiting_operation(const waiting_operation&) = delete;
  waiting_operation& operator=(const waiting_operation&) = delete;
  ~waiting_operation() { ::close(fd_); }

 private:
  operation op_;
  const int fd_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
};

}  // namespace

// The event of the wake-up is told to one thread only. When that was one which reaped for the
// owner, the owner slept on, counted as awake, and nobody woke any worker any more.
TEST_CASE("epoll: a wake-up that another thread has fetched still ends the owner's wait") {
  constexpr auto rounds = sizes::pick<std::size_t>(50'000, 20'000, 5'000);
  const auto source = make();
  waiting_operation other;
  fiber nobody;
  other.start(*source, &nobody);  // without one nothing is fetched
  std::atomic<bool> over{false};
  std::thread thief([&] {
    fiber_queue ended;
    while (!over) source->reap(ended);
    CHECK(ended.empty());
  });
  std::atomic<std::size_t> sent{0};
  std::atomic<std::size_t> seen{0};
  std::thread waker([&] {
    for (std::size_t i = 1; i <= rounds; ++i) {
      sent = i;
      source->wake();
      while (seen != i) std::this_thread::yield();
    }
  });
  for (std::size_t i = 1; i <= rounds; ++i) {
    fiber_queue ended;
    while (sent != i) source->wait(never, ended);
    CHECK(ended.empty());
    seen = i;
  }
  over = true;
  waker.join();
  thief.join();
  other.end();
}

// The interleaving under test: a sleeper has fetched the event of the only operation and is not
// counted as awake yet, while the last worker that goes to sleep asks whether anything can happen.
TEST_CASE("epoll: an operation that has ended is under way until its fiber is queued") {
  const auto source = make();
  waiting_operation op;
  fiber who;
  op.start(*source, &who);
  CHECK(source->busy());
  op.signal();
  fiber_queue ended;
  while (ended.empty()) source->wait(never, ended);
  CHECK(ended.pop() == &who);
  CHECK(source->busy());
  source->handed_over(1);
  CHECK_FALSE(source->busy());
  op.end();
  CHECK_FALSE(source->busy());
}

TEST_CASE("epoll: who waits next takes a descriptor along from an engine that nobody attends to") {
  const auto left = make();
  const auto next = make();
  waiting_operation op;
  fiber who;
  const auto ends_at = [&](engine& home) {
    op.signal();
    fiber_queue ended;
    while (ended.empty()) home.wait(never, ended);
    CHECK(ended.pop() == &who);
    home.handed_over(1);
  };
  op.start(*left, &who);
  ends_at(*left);
  op.start_again(*next, &who);  // the first one is still attended to
  ends_at(*left);
  left->attend(false);
  op.start_again(*next, &who);
  ends_at(*next);
  left->attend(true);
  op.start_again(*left, &who);  // it stays
  ends_at(*next);
  fiber_queue ended;
  left->reap(ended);
  CHECK(ended.empty());
  op.end();
  CHECK_FALSE(left->busy());
  CHECK_FALSE(next->busy());
}

// The interleaving under test: somebody waits to read, at the engine that is left, while a writer
// takes the descriptor along. The edge comes at the new engine.
TEST_CASE("epoll: who waits in the other direction is found where the descriptor has gone") {
  const auto left = make();
  const auto next = make();
  waiting_operation reading;
  fiber reader;
  fiber writer;
  reading.start(*left, &reader);
  left->attend(false);
  operation writing;
  reading.describe_the_other_direction(writing);
  writing.who = &writer;
  next->start(writing);
  static_cast<void>(writing.let_go());
  fiber_queue ended;
  while (ended.empty()) next->wait(never, ended);
  CHECK(ended.pop() == &writer);  // an eventfd can be written to
  next->handed_over(1);
  reading.signal();
  while (ended.empty()) next->wait(never, ended);
  CHECK(ended.pop() == &reader);
  next->handed_over(1);
  reading.end();
  CHECK_FALSE(left->busy());
  CHECK_FALSE(next->busy());
}

#if !RINGO_TSAN && !RINGO_ASAN  // which have an epoll_wait of their own

namespace {

// What the thread that reaps stops at, between the event and what it does with it.
std::atomic<bool> stop_after_fetch{false};
std::atomic<bool> fetched{false};

}  // namespace

/// The engine's, too.
extern "C" int epoll_wait(int set, epoll_event* events, int events_max, int timeout) {
  const int count =
      static_cast<int>(::syscall(SYS_epoll_pwait, set, events, events_max, timeout, nullptr, 0));
  if (count > 0 && timeout == 0 && stop_after_fetch) {
    fetched = true;
    while (stop_after_fetch) std::this_thread::yield();
  }
  return count;
}

// The interleaving under test: a thread has fetched an event, then its descriptor is closed and
// the entry goes to another one, in another engine. The event may end what waits there, but that
// engine must not count it for ever, nor this one end up below nothing.
TEST_CASE("epoll: an event that comes late for its descriptor leaves no trace") {
  const auto first = make();
  const auto second = make();
  waiting_operation always;
  waiting_operation before;
  waiting_operation after;
  std::array<fiber, 3> fibers;
  always.start(*first, &fibers[0]);
  before.start(*first, &fibers[1]);
  stop_after_fetch = true;
  before.signal();
  std::thread thief([&] {
    fiber_queue ended;
    first->reap(ended);
    CHECK(ended.pop() == &fibers[2]);
    CHECK(ended.empty());
    first->handed_over(1);
  });
  while (!fetched) std::this_thread::yield();
  before.end();
  after.start(*second, &fibers[2]);
  stop_after_fetch = false;
  thief.join();
  CHECK(first->busy());
  always.end();
  CHECK_FALSE(first->busy());
  CHECK_FALSE(second->busy());
  after.end();
}

#endif
