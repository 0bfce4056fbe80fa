// Dialling and listening by name, with a DNS server of our own.

#include <doctest/doctest.h>

#include <chrono>
#include <ostream>
#include <string>

#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/net/lookup.hpp>
#include <ringo/net/tcp.hpp>

#include "net/dns_server.hpp"
#include "support/expect.hpp"
#include "support/run_on.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::background;
namespace net = ringo::net;

namespace {

net::resolver asking(const dns_server& server) {
  return net::resolver({.servers = {server.where()},
                        .timeout = 30s,
                        .attempts = 1,
                        .hosts_file = "/nonexistent/ringo",
                        .config_file = "/nonexistent/ringo"});
}

}  // namespace

TEST_CASE("NT-30: dial looks names up, and connects to an address that answers") {
  run_freely_on_each([] {
    // Nobody listens at the second of loopback's addresses.
    dns_server server({{"web.test", {.addresses = {"127.0.0.2", "127.0.0.1"}}},
                       {"old.test", {.addresses = {"192.0.2.1"}}}});
    const auto listener = net::listen(net::tcp4, "127.0.0.1:0").value();
    const auto port = ":" + std::to_string(listener.local().port());
    const auto names = asking(server);
    const auto conn =
        net::dial(background(), net::tcp, "web.test" + port, {.resolver = names}).value();
    EXPECT(conn.remote() == listener.local());
    EXPECT(listener.accept()->remote() == conn.local());
    EXPECT_EQ(server.asked("web.test"), 2);

    const auto nobody = net::dial(net::tcp, "nosuch.test." + port, {.resolver = names});
    EXPECT(nobody.error() == net::lookup_errc::no_such_host);
    const auto no_v6 = net::dial(net::tcp6, "old.test" + port, {.resolver = names});
    EXPECT(no_v6.error() == std::errc::address_family_not_supported);
  });
}

TEST_CASE("NT-26: a name is dialled on both families") {
  run_freely_on_each([] {
    dns_server server({{"both.test", {.addresses = {"127.0.0.1", "::1"}}}});
    const auto names = asking(server);
    for (const char* at : {"127.0.0.1:0", "[::1]:0"}) {
      const auto listener = net::listen(net::tcp, at).value();
      const auto port = ":" + std::to_string(listener.local().port());
      const auto conn = net::dial(net::tcp, "both.test" + port, {.resolver = names}).value();
      EXPECT(conn.remote() == listener.local());
    }
  });
}

TEST_CASE("NT-24: the time for a dial counts for its look-up, too") {
  run_freely_on_each([] {
    dns_server server({{"silent.test", {.silent = true}}});
    const auto names = asking(server);
    const auto late = net::dial(net::tcp, "silent.test:80", {.timeout = 20ms, .resolver = names});
    EXPECT(late.error() == ringo::errc::deadline_exceeded);
  });
}

TEST_CASE("lookup: to listen at a name takes its IPv4 address first") {
  run_freely_on_each([] {
    const auto listener = net::listen(net::tcp, "localhost:0").value();
    EXPECT(listener.local().address() == net::address::from_v4({127, 0, 0, 1}));
    const auto conn = net::dial(net::tcp, "localhost:" + std::to_string(listener.local().port()));
    EXPECT(conn.has_value());
  });
}
