#include "source/wake_event.hpp"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <ostream>

using namespace ringo::detail;

TEST_CASE("wake_event: a signal makes its descriptor readable, and stays") {
  wake_event event;
  REQUIRE_FALSE(event.open());
  pollfd wanted{.fd = event.fd(), .events = POLLIN, .revents = 0};
  CHECK(::poll(&wanted, 1, 0) == 0);
  event.signal();
  CHECK(::poll(&wanted, 1, 0) == 1);
  event.signal();
  CHECK(::poll(&wanted, 1, 0) == 1);
}

TEST_CASE("wake_event: each signal is an edge of its own") {
  wake_event event;
  REQUIRE_FALSE(event.open());
  const int set = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event interest{};
  interest.events = EPOLLIN | EPOLLET;
  REQUIRE(::epoll_ctl(set, EPOLL_CTL_ADD, event.fd(), &interest) == 0);
  epoll_event got{};
  CHECK(::epoll_wait(set, &got, 1, 0) == 0);
  for (int i = 0; i < 3; ++i) {
    event.signal();
    CHECK(::epoll_wait(set, &got, 1, 0) == 1);
    CHECK(::epoll_wait(set, &got, 1, 0) == 0);
  }
  ::close(set);
}

TEST_CASE("wake_event: does not block, is not inherited, and closes its descriptor") {
  int fd = -1;
  {
    wake_event event;
    REQUIRE_FALSE(event.open());
    fd = event.fd();
    CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
  }
  CHECK(::fcntl(fd, F_GETFD) == -1);
}
