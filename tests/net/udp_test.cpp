// Datagrams over loopback.

#include <ringo/net/udp.hpp>

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <string>

#include <ringo/net.hpp>
#include <ringo/ringo.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
namespace net = ringo::net;
using std::chrono::steady_clock;

namespace {

net::endpoint at(const char* text) {
  return net::endpoint::parse(text).value();
}

}  // namespace

TEST_CASE("udp: a datagram finds its receiver, and the answer its way back") {
  run_on_each([] {
    for (const char* const address : {"127.0.0.1:0", "[::1]:0"}) {
      const auto server = net::listen(net::udp, address).value();
      const auto client = net::dial(net::udp, server.local()).value();
      fiber_group serving;
      serving.go([&] {
        std::string text(16, ' ');
        const auto got = server.read_from(text).value();
        EXPECT(text.substr(0, got.size) == "ping");
        EXPECT(got.from == client.local());
        EXPECT(!server.write_to("pong!", got.from));
      });
      EXPECT(!client.write("ping"));
      std::string text(16, ' ');
      const auto got = client.read_from(text).value();
      EXPECT(text.substr(0, got.size) == "pong!");
      EXPECT(got.from == server.local());
      EXPECT(client.remote() == server.local());
      EXPECT(!server.remote());
      serving.join();
    }
  });
}

TEST_CASE("NT-31: one read gives one datagram; what does not fit is lost") {
  run_on_each([] {
    const auto server = net::listen(net::udp, "127.0.0.1:0").value();
    const auto client = net::dial(net::udp, server.local()).value();
    EXPECT(!client.write("0123456789"));
    EXPECT(!client.write("abc"));
    std::string text(4, ' ');
    EXPECT(server.read(text).value() == 4);
    EXPECT(text == "0123");
    EXPECT(server.read_from(text).value().size == 3);
    EXPECT(text == "abc3");
  });
}

TEST_CASE("NT-31: an empty datagram is neither an error nor the end") {
  run_on_each([] {
    const auto server = net::listen(net::udp, "127.0.0.1:0").value();
    const auto client = net::dial(net::udp, server.local()).value();
    std::string text(4, ' ');
    EXPECT(!client.write(""));
    EXPECT(server.read(text).value() == 0);
    const auto other = net::listen(net::udp, "127.0.0.1:0").value();
    EXPECT(!other.write_to({}, server.local()));
    const auto got = server.read_from(text).value();
    EXPECT(got.size == 0);
    EXPECT(got.from == other.local());
    EXPECT(!client.write("x"));
    EXPECT(server.read({}).value() == 0);  // takes the datagram, as in Go
    EXPECT(!client.write("y"));
    EXPECT(server.read(text).value() == 1);
    EXPECT(text.front() == 'y');
  });
}

TEST_CASE("NT-31: connected sockets reject write_to, others write") {
  run_on_each([] {
    const auto server = net::listen(net::udp, "127.0.0.1:0").value();
    const auto client = net::dial(net::udp, server.local()).value();
    EXPECT(client.write_to("x", server.local()) == std::errc::already_connected);
    EXPECT(server.write("x") == std::errc::destination_address_required);
    EXPECT(server.write_some("x").error() == std::errc::destination_address_required);
    EXPECT(server.write_to("x", {}) == std::errc::invalid_argument);
    EXPECT(server.write_to("x", at("[::1]:9")) == std::errc::address_family_not_supported);
    EXPECT(client.write(std::string(70'000, 'x')) == std::errc::message_size);
  });
}

TEST_CASE("udp: several pieces are one datagram") {
  run_on_each([] {
    const auto server = net::listen(net::udp, "127.0.0.1:0").value();
    const auto client = net::dial(net::udp, server.local()).value();
    const std::array<ringo::io::const_buffer, 3> pieces{"one", " ", "two"};
    EXPECT(!client.write(pieces));
    std::string text(16, ' ');
    EXPECT(server.read(text).value() == 7);
    EXPECT(text.substr(0, 7) == "one two");
  });
}

TEST_CASE("udp: a short datagram does not hide the next one") {
  // Of a stream a short read says that nothing is left: not so here.
  run_on_each([] {
    const auto server = net::listen(net::udp, "127.0.0.1:0").value();
    const auto client = net::dial(net::udp, server.local()).value();
    std::string text(16, ' ');
    auto reader = go_until_parked("net read", [&] { EXPECT(server.read(text).value() == 1); });
    EXPECT(!client.write("1"));
    reader.wait();
    for (int i = 0; i < 3; ++i) EXPECT(!client.write("22"));
    for (int i = 0; i < 3; ++i) EXPECT(server.read(text).value() == 2);
  });
}

TEST_CASE("udp: a socket for both families talks to both") {
  run_on_each([] {
    const auto server = net::listen(net::udp, ":0").value();
    EXPECT(server.local().address().is_unspecified());
    for (const char* const host : {"127.0.0.1", "::1"}) {
      const auto to = net::endpoint(net::address::parse(host).value(), server.local().port());
      const auto client = net::dial(net::udp, to).value();
      EXPECT(!client.write("ping"));
      std::string text(8, ' ');
      const auto got = server.read_from(text).value();
      EXPECT(got.from == client.local());
      EXPECT(!server.write_to("pong", got.from));
      EXPECT(client.read(text).value() == 4);
    }
  });
}

TEST_CASE("NT-10: read_from fails when its deadline has passed, whatever there is") {
  run_on_each([] {
    const auto server = net::listen(net::udp, "127.0.0.1:0").value();
    const auto client = net::dial(net::udp, server.local()).value();
    EXPECT(!client.write("data"));
    std::string text(8, ' ');
    EXPECT(!server.set_read_deadline(steady_clock::now() - 1s));
    EXPECT(server.read_from(text).error() == ringo::errc::deadline_exceeded);
    EXPECT(!server.set_read_deadline({}));
    EXPECT(server.read_from(text).value().size == 4);
    EXPECT(!server.set_write_deadline(steady_clock::now() - 1s));
    EXPECT(server.write_to("x", client.local()) == ringo::errc::deadline_exceeded);
  });
}

TEST_CASE("NT-6: close releases whoever waits for a datagram; a context does too") {
  run_on_each([] {
    const auto server = net::listen(net::udp, "127.0.0.1:0").value();
    auto [ctx, cancel] = ringo::with_cancel(ringo::background());
    auto impatient = go_until_parked("net read", [&, ctx = ctx] {
      std::string text(8, ' ');
      EXPECT(server.read_from(ctx, text).error() == ringo::errc::canceled);
    });
    cancel();
    impatient.wait();
    auto reader = go_until_parked("net read", [&] {
      std::string text(8, ' ');
      EXPECT(server.read_from(text).error() == ringo::errc::closed);
    });
    EXPECT(!server.close());
    reader.wait();
    EXPECT(server.write_to("x", at("127.0.0.1:9")) == ringo::errc::closed);
  });
}

TEST_CASE("udp: nobody there is told by the next call on a connected socket") {
  run_on_each([] {
    const auto gone = net::listen(net::udp, "127.0.0.1:0").value();
    const auto client = net::dial(net::udp, gone.local()).value();
    EXPECT(!gone.close());
    EXPECT(!client.write("x"));
    std::string text(8, ' ');
    EXPECT(client.read(text).error() == std::errc::connection_refused);
  });
}

TEST_CASE("udp: networks of one version take only their addresses") {
  run_on_each([] {
    const auto wrong = std::errc::address_family_not_supported;
    EXPECT(net::listen(net::udp4, "[::1]:0").error() == wrong);
    EXPECT(net::listen(net::udp6, "127.0.0.1:0").error() == wrong);
    EXPECT(net::dial(net::udp4, "[::1]:9").error() == wrong);
    EXPECT(net::listen(net::udp4, ":0").value().local().address().is_v4());
    EXPECT(net::listen(net::udp, net::endpoint::from_path("@x")).error() == wrong);
  });
}
