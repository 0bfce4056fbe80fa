// Waiting for descriptors that belong to somebody else.

#include <ringo/io/wait_fd.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ringo/context.hpp>
#include <ringo/ringo.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/temporary_directory.hpp"

using namespace ringo::test;
using ringo::io::readable;
using ringo::io::readiness;
using ringo::io::wait_fd;
using ringo::io::writable;

namespace {

/// Two connected sockets, as a foreign library would make them: blocking.
struct foreign_pair {
  int ours = -1;
  int theirs = -1;

  foreign_pair() {
    std::array<int, 2> fds{};
    EXPECT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) == 0);
    ours = fds[0];
    theirs = fds[1];
  }
  foreign_pair(const foreign_pair&) = delete;
  foreign_pair& operator=(const foreign_pair&) = delete;
  ~foreign_pair() {
    ::close(ours);
    hang_up();
  }

  void send(char what) const { EXPECT(::send(theirs, &what, 1, 0) == 1); }
  void receive() const {
    char what = 0;
    EXPECT(::recv(ours, &what, 1, MSG_DONTWAIT) == 1);
  }
  void hang_up() {
    if (theirs >= 0) ::close(theirs);
    theirs = -1;
  }
  /// Until there is no room.
  void fill() const {
    const std::string much(4096, 'x');
    while (::send(ours, much.data(), much.size(), MSG_DONTWAIT) > 0) {
    }
    EXPECT_EQ(errno, EAGAIN);
  }
  void drain() const {
    std::string part(4096, ' ');
    while (::recv(theirs, part.data(), part.size(), MSG_DONTWAIT) > 0) {
    }
  }
};

bool is(const ringo::result<readiness>& got, readiness want) {
  return got && *got == want;
}

int open_descriptors() {
  int count = 0;
  for (int fd = 0; fd < 1024; ++fd) count += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("wait_fd: tells at once what a descriptor is ready for") {
  run_on_each([] {
    const foreign_pair pair;
    EXPECT(is(wait_fd(pair.ours, writable), writable));
    EXPECT(is(wait_fd(pair.ours, readable | writable), writable));
    pair.send('x');
    EXPECT(is(wait_fd(pair.ours, readable), readable));
    EXPECT(is(wait_fd(pair.ours, readable | writable), readable | writable));
    EXPECT(is(wait_fd(pair.ours, readable), readable));  // level-triggered
  });
}

TEST_CASE("wait_fd: blocks only its fiber until there is something to read") {
  run_on_each([] {
    const foreign_pair pair;
    for (int round = 0; round < 3; ++round) {
      auto waiter =
          go_until_parked("io wait", [&] { EXPECT(is(wait_fd(pair.ours, readable), readable)); });
      pair.send('x');
      waiter.wait();
      pair.receive();
    }
  });
}

TEST_CASE("wait_fd: waits for room to write") {
  run_on_each([] {
    const foreign_pair pair;
    pair.fill();
    auto waiter =
        go_until_parked("io wait", [&] { EXPECT(is(wait_fd(pair.ours, writable), writable)); });
    pair.drain();
    waiter.wait();
  });
}

TEST_CASE("wait_fd: waits for either direction") {
  run_on_each([] {
    const foreign_pair pair;
    pair.fill();
    const auto both = [&] { return wait_fd(pair.ours, readable | writable); };
    auto reader = go_until_parked("io wait", [&] { EXPECT(is(both(), readable)); });
    pair.send('x');
    reader.wait();
    pair.receive();
    auto writer = go_until_parked("io wait", [&] { EXPECT(is(both(), writable)); });
    pair.drain();
    writer.wait();
  });
}

// The second one finds the number in the epoll set already, and enters a duplicate.
TEST_CASE("wait_fd: several fibers wait for one descriptor") {
  run_on_each([] {
    const foreign_pair pair;
    pair.fill();
    auto first =
        go_until_parked("io wait", [&] { EXPECT(is(wait_fd(pair.ours, readable), readable)); });
    auto second =
        go_until_parked("io wait", [&] { EXPECT(is(wait_fd(pair.ours, readable), readable)); });
    auto third =
        go_until_parked("io wait", [&] { EXPECT(is(wait_fd(pair.ours, writable), writable)); });
    pair.send('x');
    first.wait();
    second.wait();
    EXPECT(!third.finished());
    pair.drain();
    third.wait();
  });
}

TEST_CASE("wait_fd: a hang-up counts as ready for all that is wanted") {
  run_on_each([] {
    foreign_pair pair;
    pair.fill();
    auto reader =
        go_until_parked("io wait", [&] { EXPECT(is(wait_fd(pair.ours, readable), readable)); });
    auto writer =
        go_until_parked("io wait", [&] { EXPECT(is(wait_fd(pair.ours, writable), writable)); });
    pair.hang_up();
    reader.wait();
    writer.wait();
    EXPECT(is(wait_fd(pair.ours, readable | writable), readable | writable));
  });
}

TEST_CASE("wait_fd: a context gives up the wait, and one that is done wins over readiness") {
  run_on_each([] {
    const foreign_pair pair;
    auto [ctx, cancel] = ringo::with_cancel(ringo::background());
    auto waiter = go_until_parked("io wait", [&, ctx = ctx] {
      EXPECT(wait_fd(ctx, pair.ours, readable).error() == ringo::errc::canceled);
    });
    cancel();
    waiter.wait();
    pair.send('x');
    EXPECT(wait_fd(ctx, pair.ours, readable).error() == ringo::errc::canceled);
    EXPECT(is(wait_fd(ringo::background(), pair.ours, readable), readable));
    EXPECT(panic_text([&] { static_cast<void>(wait_fd(ringo::context(), 0, readable)); }) ==
           "nil context");
  });
}

TEST_CASE("wait_fd: a context with a deadline gives up when it has passed") {
  run_on_each([] {
    const foreign_pair pair;
    auto [ctx, cancel] = ringo::with_timeout(ringo::background(), std::chrono::milliseconds(2));
    EXPECT(wait_fd(ctx, pair.ours, readable).error() == ringo::errc::deadline_exceeded);
    cancel();
  });
}

TEST_CASE("wait_fd: plain threads wait and give up too") {
  run_on_each([] {
    const foreign_pair pair;
    auto [ctx, cancel] = ringo::with_cancel(ringo::background());
    std::atomic<int> steps{0};
    std::thread outsider([&, ctx = ctx] {
      ++steps;
      EXPECT(is(wait_fd(pair.ours, readable), readable));
      pair.receive();
      ++steps;
      EXPECT(wait_fd(ctx, pair.ours, readable).error() == ringo::errc::canceled);
    });
    eventually([&] { return steps == 1; }, "the thread");
    pair.send('x');
    eventually([&] { return steps == 2; }, "the first wait");
    cancel();
    ringo::blocking([&] { outsider.join(); });
  });
}

TEST_CASE("wait_fd: a regular file is always ready") {
  run_on_each([] {
    const temporary_directory directory;
    const int fd = ::open(directory.path("file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    EXPECT(fd >= 0);
    EXPECT(is(wait_fd(fd, readable | writable), readable | writable));
    ::close(fd);
  });
}

TEST_CASE(
    "wait_fd: who waits for room to write is not woken again and again by a half-closed peer") {
  run_on_each([] {
    const foreign_pair pair;
    pair.fill();
    EXPECT(::shutdown(pair.theirs, SHUT_WR) == 0);
    auto waiter =
        go_until_parked("io wait", [&] { EXPECT(is(wait_fd(pair.ours, writable), writable)); });
    const auto before = ringo::stats().completions;
    for (int i = 0; i < 10'000; ++i) ringo::yield();
    EXPECT(ringo::stats().completions - before <= 2);
    pair.drain();
    waiter.wait();
  });
}

TEST_CASE("wait_fd: refuses what is no descriptor, and to wait for nothing") {
  run_on_each([] {
    const foreign_pair pair;
    const int closed = ::fcntl(pair.ours, F_DUPFD_CLOEXEC, 900);
    ::close(closed);
    EXPECT(wait_fd(closed, readable).error() == std::errc::bad_file_descriptor);
    EXPECT(wait_fd(pair.ours, readiness::none).error() == std::errc::invalid_argument);
  });
}

TEST_CASE("wait_fd: changes nothing of the descriptor, and keeps none") {
  for_each_worker_count([](std::size_t workers) {
    const int before = open_descriptors();
    run_on(workers, [] {
      const foreign_pair pair;
      const int flags = ::fcntl(pair.ours, F_GETFL);
      const int during = open_descriptors();
      for (int round = 0; round < 10; ++round) {
        auto first =
            go_until_parked("io wait", [&] { EXPECT(is(wait_fd(pair.ours, readable), readable)); });
        auto second =
            go_until_parked("io wait", [&] { EXPECT(is(wait_fd(pair.ours, readable), readable)); });
        pair.send('x');
        first.wait();
        second.wait();
        pair.receive();
      }
      EXPECT_EQ(::fcntl(pair.ours, F_GETFL), flags);
      EXPECT((flags & O_NONBLOCK) == 0);
      EXPECT_EQ(open_descriptors(), during);
    });
    CHECK(open_descriptors() == before);
  });
}

// If a wait left its entry in the set, the next one with that number would be told EEXIST, or
// hear of the descriptor that had the number before.
TEST_CASE("wait_fd: a number that is closed and used again is another descriptor") {
  run_on_each([] {
    for (int round = 0; round < 10; ++round) {
      const foreign_pair pair;
      auto [ctx, cancel] = ringo::with_cancel(ringo::background());
      auto given_up = go_until_parked("io wait", [&, ctx = ctx] {
        EXPECT(wait_fd(ctx, pair.ours, readable).error() == ringo::errc::canceled);
      });
      cancel();
      given_up.wait();
      auto waiter =
          go_until_parked("io wait", [&] { EXPECT(is(wait_fd(pair.ours, readable), readable)); });
      pair.send('x');
      waiter.wait();
    }
  });
}

TEST_CASE("wait_fd: a fiber that waits at the end of a run leaves nothing behind") {
  for_each_worker_count([](std::size_t workers) {
    const foreign_pair pair;
    const int before = open_descriptors();
    run_on(
        workers,
        [&] {
          for (int i = 0; i < 2; ++i) {
            static_cast<void>(go_until_parked(
                "io wait", [&] { static_cast<void>(wait_fd(pair.ours, readable)); }));
          }
        },
        leftovers::allowed);
    CHECK(open_descriptors() == before);
    run_on(workers, [&] {
      auto waiter =
          go_until_parked("io wait", [&] { EXPECT(is(wait_fd(pair.ours, readable), readable)); });
      pair.send('x');
      waiter.wait();
      pair.receive();
    });
  });
}
