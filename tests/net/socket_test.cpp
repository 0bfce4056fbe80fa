// What all handles of sockets have in common.

#include <ringo/net/socket.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <sys/socket.h>

#include <ringo/net.hpp>
#include <ringo/ringo.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/tcp_pair.hpp"

using namespace ringo::test;
namespace net = ringo::net;

TEST_CASE("socket: a nil handle fails and does not crash") {
  run_on_each([] {
    const net::tcp_conn conn;
    const net::tcp_listener listener;
    std::string text(4, ' ');
    const auto nil = std::errc::invalid_argument;
    EXPECT(!conn);
    EXPECT(conn.close() == nil);
    EXPECT(conn.read(text).error() == nil);
    EXPECT(conn.write(text) == nil);
    EXPECT(conn.write_some(text).error() == nil);
    EXPECT(conn.set_deadline({}) == nil);
    EXPECT(conn.set_no_delay(true) == nil);
    EXPECT(conn.close_write() == nil);
    EXPECT(conn.release().error() == nil);
    EXPECT(conn.with_fd([](int) {}) == nil);
    EXPECT(!conn.local());
    EXPECT(!conn.remote());
    EXPECT(listener.accept().error() == nil);
    EXPECT(listener.set_deadline({}) == nil);
  });
}

TEST_CASE("socket: the last handle that goes closes it") {
  run_on_each([] {
    tcp_pair pair;
    auto copy = pair.dialled;
    EXPECT(copy == pair.dialled);
    pair.dialled = {};
    EXPECT(!copy.write("x"));
    copy = {};
    std::string text(4, ' ');
    EXPECT(pair.accepted.read(text).value() == 1);
    EXPECT(pair.accepted.read(text).error() == ringo::errc::eof);
  });
}

TEST_CASE("NT-7: after close all operations fail, a second close too") {
  run_on_each([] {
    tcp_pair pair;
    std::string text(4, ' ');
    const auto& conn = pair.dialled;
    EXPECT(!conn.close());
    for (int i = 0; i < 2; ++i) {
      EXPECT(conn.close() == ringo::errc::closed);
      EXPECT(conn.read(text).error() == ringo::errc::closed);
      EXPECT(conn.write(text) == ringo::errc::closed);
      EXPECT(conn.set_deadline({}) == ringo::errc::closed);
      EXPECT(conn.set_no_delay(true) == ringo::errc::closed);
      EXPECT(conn.close_write() == ringo::errc::closed);
      EXPECT(conn.release().error() == ringo::errc::closed);
      EXPECT(conn.with_fd([](int) { EXPECT(false); }) == ringo::errc::closed);
    }
  });
}

TEST_CASE("socket: with_fd returns what the function says, and lets through what it throws") {
  run_on_each([] {
    tcp_pair pair;
    int number = -1;
    EXPECT(!pair.dialled.with_fd([&](int fd) { number = fd; }));
    EXPECT(number >= 0);
    const auto said = pair.dialled.with_fd(
        [](int) -> std::error_code { return std::make_error_code(std::errc::file_too_large); });
    EXPECT(said == std::errc::file_too_large);
    bool caught = false;
    try {
      static_cast<void>(pair.dialled.with_fd([](int) { throw std::runtime_error("mine"); }));
    } catch (const std::runtime_error&) {
      caught = true;
    }
    EXPECT(caught);
    EXPECT(!pair.dialled.close());  // the number is in nobody's use
    EXPECT(::fcntl(number, F_GETFD) < 0);
  });
}
