// What only waits for readiness promise, in an epoll engine and beside a ring: where events go.

#include <doctest/doctest.h>

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

std::unique_ptr<engine> make(engine_kind kind) {
  std::error_code error;
  auto made = make_engine_patiently(kind, error);
  REQUIRE((made != nullptr || kind == engine_kind::io_uring));
  return made;
}

/// Calls `test` with two engines of each kind that works here.
template <typename Test>
void for_each(Test test) {
  for (const engine_kind kind : {engine_kind::epoll, engine_kind::io_uring}) {
    CAPTURE(static_cast<int>(kind));
    next_engine_generation();
    const auto one = make(kind);
    const auto other = make(kind);
    if (one == nullptr || other == nullptr) {
      MESSAGE("no io_uring here");
      continue;
    }
    test(*one, *other);
    CHECK_FALSE(one->busy());
    CHECK_FALSE(other->busy());
    CHECK(one->waits_begun() + other->waits_begun() == waits_ended());
  }
}

/// Waits for an eventfd to become readable, as a fiber would.
class waiting_fiber {
 public:
  fiber who;

  void wait(engine& source, poll_entry::direction way = poll_entry::reading) {
    REQUIRE(source.enlist(entry_, fd_) == 0);
    source.wait_begins();
    REQUIRE(entry_.wait(way, who));
  }
  /// For the same descriptor, after the first wait has ended.
  void wait_again(engine& source) {
    drain();
    wait(source);
  }
  void signal() const {
    const std::uint64_t one = 1;
    CHECK(::write(fd_, &one, sizeof one) == sizeof one);
  }
  /// Another fiber waits to write.
  [[nodiscard]] bool waits_to_write(engine& source, fiber& other) {
    REQUIRE(source.enlist(entry_, fd_) == 0);
    source.wait_begins();
    if (entry_.wait(poll_entry::writing, other)) return true;
    source.wait_declined();
    return false;
  }
  fiber* call_off() { return ringo::detail::call_off(entry_, poll_entry::reading); }
  /// Ends the wait, unless it has ended, and closes the entry for another one.
  void end() {
    static_cast<void>(call_off());
    give_up(entry_);
    drain();
  }

  waiting_fiber() = default;
  waiting_fiber(const waiting_fiber&) = delete;
  waiting_fiber& operator=(const waiting_fiber&) = delete;
  ~waiting_fiber() { ::close(fd_); }

 private:
  poll_entry& entry_ = *take_poll_entry();
  const int fd_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

  void drain() const {
    std::uint64_t count = 0;
    static_cast<void>(::read(fd_, &count, sizeof count));
  }
};

/// The next one that the engine finds ended; it counts as queued.
fiber* next_ended(engine& source) {
  fiber_queue ended;
  while (ended.empty()) source.wait(never, ended);
  fiber* const who = ended.pop();
  CHECK(ended.empty());
  source.handed_over(1);
  return who;
}

}  // namespace

// The event of the wake-up is told to one thread only. When that was one which reaped for the
// owner, the owner slept on, counted as awake, and nobody woke any worker any more.
TEST_CASE("readiness: a wake-up that another thread has fetched still ends the owner's wait") {
  constexpr auto rounds = sizes::pick<std::size_t>(50'000, 20'000, 5'000);
  for_each([](engine& source, engine& /*other*/) {
    waiting_fiber other;
    other.wait(source);  // without one nothing is fetched
    std::atomic<bool> over{false};
    std::thread thief([&] {
      fiber_queue ended;
      while (!over) source.reap(ended);
      CHECK(ended.empty());
    });
    std::atomic<std::size_t> sent{0};
    std::atomic<std::size_t> seen{0};
    std::thread waker([&] {
      for (std::size_t i = 1; i <= rounds; ++i) {
        sent = i;
        source.wake();
        while (seen != i) std::this_thread::yield();
      }
    });
    for (std::size_t i = 1; i <= rounds; ++i) {
      fiber_queue ended;
      while (sent != i) source.wait(never, ended);
      CHECK(ended.empty());
      seen = i;
    }
    over = true;
    waker.join();
    thief.join();
    other.end();
  });
}

// The interleaving under test: a sleeper has fetched the event of the only wait and is not counted
// as awake yet, while the last worker that goes to sleep asks whether anything can happen.
TEST_CASE("readiness: a wait that has ended is under way until its fiber is queued") {
  for_each([](engine& source, engine& /*other*/) {
    waiting_fiber waits;
    waits.wait(source);
    CHECK(source.waits_begun() == 1);
    CHECK(waits_ended() == 0);
    waits.signal();
    fiber_queue ended;
    while (ended.empty()) source.wait(never, ended);
    CHECK(ended.pop() == &waits.who);
    CHECK(waits_ended() == 1);
    CHECK(source.busy());
    source.handed_over(1);
    CHECK_FALSE(source.busy());
    waits.end();
  });
}

TEST_CASE("readiness: who waits next takes a descriptor along from where nobody attends to it") {
  for_each([](engine& left, engine& next) {
    waiting_fiber waits;
    const auto ends_at = [&](engine& home) {
      waits.signal();
      CHECK(next_ended(home) == &waits.who);
    };
    waits.wait(left);
    ends_at(left);
    waits.wait_again(next);  // the first one is still attended to
    ends_at(left);
    left.attend(false);
    waits.wait_again(next);
    ends_at(next);
    left.attend(true);
    waits.wait_again(left);  // it stays
    ends_at(next);
    fiber_queue ended;
    left.reap(ended);
    CHECK(ended.empty());
    waits.end();
  });
}

// The interleaving under test: somebody waits to read, at the engine that is left, while a writer
// takes the descriptor along. The edge comes at the new engine.
TEST_CASE("readiness: who waits in the other direction is found where the descriptor has gone") {
  for_each([](engine& left, engine& next) {
    waiting_fiber reading;
    fiber writer;
    reading.wait(left);
    left.attend(false);
    REQUIRE(reading.waits_to_write(next, writer));
    CHECK(next_ended(next) == &writer);  // an eventfd can be written to
    reading.signal();
    CHECK(next_ended(next) == &reading.who);
    reading.end();
  });
}

TEST_CASE("readiness: what is announced before the wait is remembered, once") {
  for_each([](engine& source, engine& /*other*/) {
    poll_entry& entry = *take_poll_entry();
    fiber who;
    CHECK(call_off(entry, poll_entry::reading) == nullptr);
    CHECK(call_off(entry, poll_entry::reading) == nullptr);
    source.wait_begins();
    CHECK_FALSE(entry.wait(poll_entry::reading, who));
    CHECK(entry.wait(poll_entry::reading, who));
    CHECK(call_off(entry, poll_entry::writing) == nullptr);  // the other direction's business
    CHECK(call_off(entry, poll_entry::reading) == &who);
    CHECK(call_off(entry, poll_entry::reading) == nullptr);
    CHECK(entry.take_ready(poll_entry::reading));
    CHECK_FALSE(entry.take_ready(poll_entry::reading));
    CHECK(entry.take_ready(poll_entry::writing));
    give_up(entry);
  });
}

TEST_CASE("readiness: who ends the run takes a fiber that still waits, or leaves it to its waker") {
  for_each([](engine& source, engine& /*other*/) {
    waiting_fiber waits;
    poll_entry& entry = *take_poll_entry();
    fiber who;
    fiber another;
    source.wait_begins();
    REQUIRE(entry.wait(poll_entry::reading, who));
    CHECK_FALSE(entry.withdraw(poll_entry::writing, who));
    CHECK_FALSE(entry.withdraw(poll_entry::reading, another));
    CHECK(entry.withdraw(poll_entry::reading, who));
    source.wait_declined();
    CHECK_FALSE(entry.withdraw(poll_entry::reading, who));
    give_up(entry);
    waits.end();
  });
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
// the entry goes to another one, in another engine. The event may end what waits there, and is
// counted once.
TEST_CASE("readiness: an event that comes late for its descriptor leaves no trace") {
  for_each([](engine& first, engine& second) {
    waiting_fiber always;
    always.wait(first);
    {
      waiting_fiber before;
      before.wait(first);
      stop_after_fetch = true;
      before.signal();
      fiber* found = nullptr;
      std::thread thief([&] {
        fiber_queue ended;
        first.reap(ended);
        found = ended.pop();
        CHECK(ended.empty());
        first.handed_over(found != nullptr ? 1 : 0);
      });
      while (!fetched) std::this_thread::yield();
      before.end();
      waiting_fiber after;  // has the same entry
      after.wait(second);
      stop_after_fetch = false;
      thief.join();
      CHECK(found == &after.who);
      fetched = false;
      after.end();
    }
    always.end();
  });
}

#endif
