// Dialling: addresses, limits, giving up.

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

#include <ringo/net.hpp>
#include <ringo/ringo.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/sizes.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
namespace net = ringo::net;
using std::chrono::steady_clock;

namespace {

std::string port_of(const net::tcp_listener& listener) {
  return std::to_string(listener.local().port());
}

/// The numbers that the process has open.
std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

/// One that the system has given back: nobody listens there.
net::endpoint free_endpoint() {
  return net::listen(net::tcp, "127.0.0.1:0").value().local();
}

/// A listener that accepts nothing and has no room for more: those who dial it wait.
struct full_listener {
  net::tcp_listener listener = net::listen(net::tcp, "127.0.0.1:0", {.backlog = 1}).value();
  std::vector<net::tcp_conn> waiting;

  full_listener() {
    for (;;) {
      auto conn = net::dial(net::tcp, listener.local(), {.timeout = 50ms});
      if (!conn) break;
      waiting.push_back(*conn);
    }
  }
};

}  // namespace

TEST_CASE("dial: the forms of an address") {
  run_on_each([] {
    const auto listener = net::listen(net::tcp, ":0").value();
    EXPECT(listener.local().address().is_unspecified());
    for (const char* const host : {"127.0.0.1", "[::1]", "", "localhost", "[::ffff:127.0.0.1]"}) {
      const auto conn = net::dial(net::tcp, std::string(host) + ":" + port_of(listener));
      EXPECT(conn);
      if (!conn) continue;
      const auto accepted = listener.accept().value();
      // An IPv4 peer is an IPv4 address, whatever the listener's family.
      EXPECT(accepted.remote() == conn->local());
      EXPECT(conn->remote() == accepted.local());
      EXPECT(!accepted.remote().address().is_4in6());
    }
  });
}

TEST_CASE("dial: addresses that are none") {
  run_on_each([] {
    const auto error = [](const char* address) { return net::dial(net::tcp, address).error(); };
    EXPECT(error("127.0.0.1") == net::address_errc::missing_port);
    EXPECT(error("") == net::address_errc::missing_port);
    EXPECT(error("::1:80") == net::address_errc::too_many_colons);
    EXPECT(error("127.0.0.1:65536") == std::errc::invalid_argument);
    EXPECT(error("127.0.0.1:no-such-service") == std::errc::invalid_argument);
    EXPECT(net::dial(net::tcp, net::endpoint()).error() == std::errc::invalid_argument);
    EXPECT(net::dial(net::tcp4, "[::1]:80").error() == std::errc::address_family_not_supported);
    EXPECT(net::dial(net::tcp6, "127.0.0.1:80").error() == std::errc::address_family_not_supported);
    EXPECT(net::listen(net::tcp, "127.0.0.1").error() == net::address_errc::missing_port);
    EXPECT(net::listen(net::tcp6, "127.0.0.1:0").error() ==
           std::errc::address_family_not_supported);
    EXPECT(net::listen(net::tcp, "192.0.2.77:0").error() == std::errc::address_not_available);
  });
}

TEST_CASE("listen: which families an unspecified host stands for") {
  run_on_each([] {
    const auto serves = [](const net::tcp_listener& listener, const char* host) {
      return bool(net::dial(net::tcp, std::string(host) + ":" + port_of(listener)));
    };
    for (const char* const address : {":0", "0.0.0.0:0", "[::]:0", ""}) {
      const auto both = net::listen(net::tcp, address).value();
      EXPECT(serves(both, "127.0.0.1"));
      EXPECT(serves(both, "[::1]"));
    }
    const auto v4 = net::listen(net::tcp4, ":0").value();
    EXPECT(serves(v4, "127.0.0.1"));
    EXPECT(!serves(v4, "[::1]"));
    const auto v6 = net::listen(net::tcp6, ":0").value();
    EXPECT(!serves(v6, "127.0.0.1"));
    EXPECT(serves(v6, "[::1]"));
    EXPECT(net::listen(net::tcp, "localhost:0").value().local().address().is_v4());
  });
}

TEST_CASE("dial: nobody there is refused; a local endpoint is used") {
  run_on_each([] {
    EXPECT(net::dial(net::tcp, free_endpoint()).error() == std::errc::connection_refused);
    const auto listener = net::listen(net::tcp, ":0").value();
    const auto from = net::endpoint(net::address::from_v4({127, 0, 0, 5}), 0);
    // Only the family of the local address is tried.
    const auto conn =
        net::dial(net::tcp, "localhost:" + port_of(listener), {.local = from}).value();
    EXPECT(conn.local().address() == from.address());
    EXPECT(listener.accept().value().remote() == conn.local());
    EXPECT(net::dial(net::tcp, "[::1]:" + port_of(listener), {.local = from}).error() ==
           std::errc::address_family_not_supported);
  });
}

TEST_CASE("NT-24: the earliest limit counts, and one that has passed fails at once") {
  run_on_each([] {
    const full_listener full;
    const auto dial = [&](std::chrono::nanoseconds in, net::dial_options options) {
      const auto start = steady_clock::now();
      const auto limit = in == 0ns ? ringo::cancellable_context{ringo::background(), {}}
                                   : ringo::with_timeout(ringo::background(), in);
      const auto error = net::dial(limit.ctx, net::tcp, full.listener.local(), options).error();
      EXPECT(error == ringo::errc::deadline_exceeded);
      return steady_clock::now() - start;
    };
    constexpr auto late = 10s;  // a bound that only a broken build meets
    const auto soon = [](std::chrono::nanoseconds in) { return steady_clock::now() + in; };
    EXPECT(dial(0ns, {.timeout = 5ms}) >= 5ms);
    EXPECT(dial(0ns, {.deadline = soon(5ms)}) < late);
    EXPECT(dial(0ns, {.timeout = 5ms, .deadline = soon(1h)}) < late);
    EXPECT(dial(0ns, {.timeout = 1h, .deadline = soon(5ms)}) < late);
    EXPECT(dial(5ms, {.timeout = 1h, .deadline = soon(1h)}) < late);
    EXPECT(dial(1h, {.timeout = 5ms}) < late);
    EXPECT(dial(0ns, {.timeout = -1ns}) < late);
    EXPECT(dial(0ns, {.timeout = 1h, .deadline = soon(-1h)}) < late);
    EXPECT(dial(-1ns, {}) < late);
  });
}

TEST_CASE("NT-27: a context ends a dial, and leaves nothing behind") {
  run_freely_on_each([] {
    const full_listener full;
    const auto before = open_descriptors();
    auto [ctx, cancel] = ringo::with_cancel(ringo::background());
    auto dialler = go_until_parked("net connect", [&, ctx = ctx] {
      EXPECT(net::dial(ctx, net::tcp, full.listener.local()).error() == ringo::errc::canceled);
    });
    cancel();
    dialler.wait();
    EXPECT(net::dial(ctx, net::tcp, full.listener.local()).error() == ringo::errc::canceled);
    EXPECT_EQ(open_descriptors(), before);
  });
}

TEST_CASE("NT-27: a context that ends as the connection is made leaks nothing") {
  run_freely_on_each([] {
    constexpr auto rounds = sizes::pick<std::uint64_t>(300, 100, 50);
    auto random = generator(27);
    const auto listener = net::listen(net::tcp, ":0").value();
    fiber_group server;
    server.go([&] {
      while (listener.accept()) {
      }
    });
    const auto before = open_descriptors();
    for (std::uint64_t round = 0; round < rounds; ++round) {
      const auto [ctx, cancel] =
          ringo::with_timeout(ringo::background(), std::chrono::microseconds(random() % 150));
      const auto conn = net::dial(ctx, net::tcp, "localhost:" + port_of(listener));
      if (conn) {
        cancel();  // has no effect on the connection any more
        EXPECT(!conn->write("x"));
      } else {
        EXPECT(conn.error() == ringo::errc::deadline_exceeded);
      }
    }
    eventually([&] { return open_descriptors() == before; }, "all descriptors to be closed");
    EXPECT(!listener.close());
    server.join();
  });
}

TEST_CASE("NT-28: a connection to itself is made anew") {
  run_on_each([] {
#ifdef IP_LOCAL_PORT_RANGE
    constexpr int port_range = IP_LOCAL_PORT_RANGE;
#else
    constexpr int port_range = 51;  // Linux 6.3
#endif
    const auto to = free_endpoint();
    bool possible = true;
    int trials = 0;
    // Leaves the system only the port that is dialled, for the first two trials.
    const auto only_that_port = [&](int fd) -> std::error_code {
      if (++trials > 2) return {};
      const unsigned range = to.port() | unsigned{to.port()} << 16;
      possible = ::setsockopt(fd, IPPROTO_IP, port_range, &range, sizeof(range)) == 0;
      return {};
    };
    const auto conn = net::dial(net::tcp, to, {.control = only_that_port});
    if (!possible) return;
    EXPECT(conn.error() == std::errc::connection_refused);
    EXPECT_EQ(trials, 3);
  });
}

TEST_CASE("dial: many at a time") {
  run_on_each([] {
    constexpr int count = 50;
    const auto listener = net::listen(net::tcp, "127.0.0.1:0").value();
    fiber_group all;
    for (int i = 0; i < count; ++i) {
      all.go([&] {
        EXPECT(net::dial(net::tcp, listener.local()).value().write("x") == std::error_code{});
      });
      all.go([&] {
        std::string text(8, ' ');
        EXPECT(listener.accept().value().read(text).value() == 1);
      });
    }
    all.join();
  });
}
