// What sockets are set to, by default and when told.

#include <ringo/net/options.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <fstream>
#include <vector>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <ringo/net.hpp>
#include <ringo/ringo.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
namespace net = ringo::net;

namespace {

template <typename Handle>
int option(const Handle& of, int level, int name) {
  int value = -1;
  EXPECT(!of.with_fd([&](int fd) {
    socklen_t size = sizeof(value);
    EXPECT(::getsockopt(fd, level, name, &value, &size) == 0);
  }));
  return value;
}

template <typename Handle>
void expect_private_and_non_blocking(const Handle& of) {
  EXPECT(!of.with_fd([&](int fd) {
    EXPECT((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    EXPECT((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  }));
}

struct ends {
  net::tcp_listener listener;
  net::tcp_conn dialled;
  net::tcp_conn accepted;
};

ends connect(const net::listen_options& listening = {}, const net::dial_options& dialling = {}) {
  auto listener = net::listen(net::tcp, "127.0.0.1:0", listening).value();
  auto dialled = net::dial(net::tcp, listener.local(), dialling).value();
  auto accepted = listener.accept().value();
  return {listener, dialled, accepted};
}

}  // namespace

TEST_CASE("NT-22: the defaults of both ends of a connection") {
  run_on_each([] {
    const ends made = connect();
    for (const auto& conn : {made.dialled, made.accepted}) {
      expect_private_and_non_blocking(conn);
      EXPECT_EQ(option(conn, IPPROTO_TCP, TCP_NODELAY), 1);
      EXPECT_EQ(option(conn, SOL_SOCKET, SO_KEEPALIVE), 1);
      EXPECT_EQ(option(conn, IPPROTO_TCP, TCP_KEEPIDLE), 15);
      EXPECT_EQ(option(conn, IPPROTO_TCP, TCP_KEEPINTVL), 15);
      EXPECT_EQ(option(conn, IPPROTO_TCP, TCP_KEEPCNT), 9);
    }
  });
}

TEST_CASE("NT-22: the defaults of a listener") {
  run_on_each([] {
    const auto listener = net::listen(net::tcp, "127.0.0.1:0").value();
    expect_private_and_non_blocking(listener);
    EXPECT_EQ(option(listener, SOL_SOCKET, SO_REUSEADDR), 1);
    EXPECT_EQ(option(listener, SOL_SOCKET, SO_REUSEPORT), 0);
    unsigned somaxconn = 0;
    std::ifstream("/proc/sys/net/core/somaxconn") >> somaxconn;
    EXPECT(!listener.with_fd([&](int fd) {
      tcp_info info{};
      socklen_t size = sizeof(info);
      EXPECT(::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
      EXPECT_EQ(info.tcpi_sacked, somaxconn);  // of a listener: its backlog
    }));
  });
}

TEST_CASE("options: what is given is used") {
  run_on_each([] {
    std::vector<int> numbers;
    const auto note = [&](int fd) -> std::error_code {
      numbers.push_back(fd);
      return {};
    };
    const ends made =
        connect({.backlog = 7, .reuse_port = true, .keep_alive = {.idle = 30s}, .control = note},
                {.keep_alive = {.enabled = false}, .control = note});
    EXPECT_EQ(option(made.listener, SOL_SOCKET, SO_REUSEPORT), 1);
    EXPECT_EQ(option(made.accepted, IPPROTO_TCP, TCP_KEEPIDLE), 30);
    EXPECT_EQ(option(made.dialled, SOL_SOCKET, SO_KEEPALIVE), 0);
    EXPECT(numbers.size() == 2);
    EXPECT(!made.listener.with_fd([&](int fd) { EXPECT(numbers.at(0) == fd); }));
    EXPECT(!made.dialled.with_fd([&](int fd) { EXPECT(numbers.at(1) == fd); }));
  });
}

TEST_CASE("options: an error of the control function ends listening and dialling") {
  run_on_each([] {
    const auto refuse = [](int) { return std::make_error_code(std::errc::not_supported); };
    const auto listener = net::listen(net::tcp, "127.0.0.1:0").value();
    EXPECT(net::listen(net::tcp, "127.0.0.1:0", {.control = refuse}).error() ==
           std::errc::not_supported);
    EXPECT(net::dial(net::tcp, listener.local(), {.control = refuse}).error() ==
           std::errc::not_supported);
  });
}

TEST_CASE("options: the setters of a connection") {
  run_on_each([] {
    const ends made = connect();
    const auto& conn = made.dialled;
    EXPECT(!conn.set_no_delay(false));
    EXPECT_EQ(option(conn, IPPROTO_TCP, TCP_NODELAY), 0);
    EXPECT(!conn.set_keep_alive({.idle = 1500ms, .interval = 3s, .count = 4}));
    EXPECT_EQ(option(conn, IPPROTO_TCP, TCP_KEEPIDLE), 2);
    EXPECT_EQ(option(conn, IPPROTO_TCP, TCP_KEEPINTVL), 3);
    EXPECT_EQ(option(conn, IPPROTO_TCP, TCP_KEEPCNT), 4);
    EXPECT(!conn.set_keep_alive({.enabled = false}));
    EXPECT_EQ(option(conn, SOL_SOCKET, SO_KEEPALIVE), 0);
    EXPECT(!conn.set_read_buffer(30'000));
    EXPECT_EQ(option(conn, SOL_SOCKET, SO_RCVBUF), 60'000);  // socket(7): the kernel doubles it
    EXPECT(!conn.set_write_buffer(40'000));
    EXPECT_EQ(option(conn, SOL_SOCKET, SO_SNDBUF), 80'000);
  });
}
