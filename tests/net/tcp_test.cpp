// TCP over loopback: the two ends of one connection in one process.

#include <ringo/net/tcp.hpp>

#include <doctest/doctest.h>

#include <string>

#include <ringo/ringo.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"

using namespace ringo::test;
namespace net = ringo::net;

TEST_CASE("tcp: bytes go both ways, and the end of the stream is told") {
  run_on_each([] {
    const auto listener = net::listen(net::tcp, "127.0.0.1:0").value();
    fiber_group server;
    server.go([&] {
      const auto conn = listener.accept().value();
      std::string text(100, ' ');
      const auto n = conn.read(text).value();
      EXPECT(!conn.write({text.data(), n}));
      EXPECT(conn.read(text).error() == ringo::errc::eof);
      EXPECT(!conn.close());
    });
    const auto conn = net::dial(net::tcp, listener.local()).value();
    EXPECT(!conn.write("hello"));
    std::string text(100, ' ');
    EXPECT(conn.read(text).value() == 5);
    EXPECT(text.substr(0, 5) == "hello");
    EXPECT(!conn.close_write());
    EXPECT(conn.read(text).error() == ringo::errc::eof);
    server.join();
    EXPECT(!conn.close());
    EXPECT(conn.close() == ringo::errc::closed);
  });
}
