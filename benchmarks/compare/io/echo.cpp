// Echo servers by hand: what a fiber for each connection is measured against. Both take the one CPU
// they are given, print their port, and serve until they are killed.
//
//   compare_echo epoll       one thread, callbacks
//   compare_echo threads     one thread for each connection

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <thread>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using buffer = std::array<char, 1024>;

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "echo: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

int listen_and_print() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* general = reinterpret_cast<sockaddr*>(&address);
  if (::bind(fd, general, size) != 0) fail("bind");
  if (::listen(fd, SOMAXCONN) != 0) fail("listen");
  if (::getsockname(fd, general, &size) != 0) fail("getsockname");
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return fd;
}

int accept(int listener, int flags) {
  const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | flags);
  if (fd < 0) fail("accept4");
  const int on = 1;
  if (::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) fail("setsockopt");
  return fd;
}

/// Sends back what a read brings, whose size it returns. 0: nothing is there yet; -1: the
/// connection is over. What does not fit into the socket's buffer ends it: a client that waits for
/// its answers leaves none behind.
ssize_t echo(int fd, buffer& bytes) {
  const ssize_t size = ::recv(fd, bytes.data(), bytes.size(), 0);
  if (size < 0 && errno == EAGAIN) return 0;
  if (size <= 0) return -1;
  const auto count = static_cast<std::size_t>(size);
  return ::send(fd, bytes.data(), count, MSG_NOSIGNAL) == size ? size : -1;
}

void serve_threads(int listener) {
  for (;;) {
    std::thread([fd = accept(listener, 0)] {
      buffer bytes;
      while (echo(fd, bytes) > 0) {
      }
      ::close(fd);
    }).detach();
  }
}

void add(int epoll, int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

/// With edges, which are a few percent cheaper than levels: those are looked at twice.
void serve_epoll(int listener) {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) fail("epoll_create1");
  add(epoll, listener, EPOLLIN);
  std::array<epoll_event, 512> events{};
  buffer bytes;
  for (;;) {
    const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener) {
        add(epoll, accept(listener, SOCK_NONBLOCK), EPOLLIN | EPOLLRDHUP | EPOLLET);
        continue;
      }
      // An edge tells once. A read that did not fill the buffer has emptied the socket, so that
      // only after a full one, or when the end has come, is there more to read.
      const bool ends = (events[static_cast<std::size_t>(i)].events & EPOLLRDHUP) != 0;
      ssize_t size = 0;
      do {
        size = echo(fd, bytes);
      } while (size > 0 && (ends || size == ssize_t{bytes.size()}));
      if (size < 0) ::close(fd);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view how = argc > 1 ? argv[1] : "";
  if (how == "epoll") serve_epoll(listen_and_print());
  if (how == "threads") serve_threads(listen_and_print());
  std::fprintf(stderr, "usage: %s epoll|threads\n", argv[0]);
  return 1;
}
