// Servers and clients that treat each other badly: connections that are reset, half-closed,
// dropped, closed while others use them, dials and calls that are cancelled or come too late.
// Checked: what comes back is what was sent, every call ends, and when all is over the process has
// as many sockets, fibers and as much memory as after the first round.
//
// RINGO_SEED repeats the choices of a run, RINGO_SOAK (seconds, default 5) makes it longer.

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <system_error>
#include <utility>

#include <unistd.h>

#include <ringo/net.hpp>
#include <ringo/ringo.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/sizes.hpp"
#include "support/unix_pair.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
namespace net = ringo::net;
using std::chrono::microseconds;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t message_max = 100'000;  // more than a socket takes at a time
constexpr auto call_max = 5s;                 // no call may take as long, whatever happens

std::chrono::milliseconds soak_time() {
  const char* const given = std::getenv("RINGO_SOAK");
  return std::chrono::seconds(given != nullptr ? std::atoi(given) : 5);
}

/// Others may be added meanwhile: a worker for a call that blocks its thread has some of its own.
std::size_t open_sockets() {
  std::size_t count = 0;
  for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(each, gone).string().rfind("socket:", 0) == 0) ++count;
  }
  return count;
}

std::size_t resident_kib() {
  std::size_t size = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) / 1024;
}

/// The byte at each place of every message.
char byte_at(std::size_t place) noexcept {
  return static_cast<char>(place % 251);
}

class random_choices {
 public:
  explicit random_choices(std::uint64_t stream) : random_(generator(stream)) {}
  std::size_t below(std::size_t bound) { return random_() % bound; }
  bool once_in(std::size_t chances) { return below(chances) == 0; }
  microseconds moment() { return microseconds(below(3'000)); }

 private:
  std::mt19937_64 random_;
};

void reset(const net::tcp_conn& conn) {
  static_cast<void>(conn.set_linger(0ns));
}
void reset(const net::unix_conn& /*conn*/) {}

/// Sends back what comes, or loses patience in one way or the other.
template <typename Conn>
void serve(const Conn& conn, random_choices choices) {
  std::string part(1 + choices.below(5'000), ' ');
  EXPECT(!conn.set_deadline(steady_clock::now() + call_max));
  std::size_t echoes = choices.once_in(3) ? choices.below(20) : message_max;
  for (; echoes > 0; --echoes) {
    if (choices.once_in(30))
      EXPECT(!conn.set_read_deadline(steady_clock::now() + choices.moment()));
    const auto n = conn.read(part);
    if (!n || conn.write({part.data(), *n})) break;
  }
  if (choices.once_in(4)) reset(conn);
  if (choices.once_in(2)) EXPECT(!conn.close());
}

/// Reads what comes back, which is as much of the message as the server cared for.
template <typename Conn>
void check_echo(const Conn& conn, const ringo::context& ctx) {
  std::string part(4'000, ' ');
  std::size_t place = 0;
  bool same = true;
  for (;;) {
    const auto n = conn.read(ctx, part);
    if (!n) break;
    for (std::size_t i = 0; i < *n; ++i) same = same && part[i] == byte_at(place++);
  }
  EXPECT(same);
}

template <typename Conn>
void use(const Conn& conn, random_choices& choices, const std::string& message) {
  EXPECT(!conn.set_deadline(steady_clock::now() + call_max));
  const auto start = steady_clock::now();
  const auto [ctx, cancel] = choices.once_in(2)
                                 ? ringo::with_timeout(ringo::background(), choices.moment())
                                 : ringo::with_cancel(ringo::background());
  {
    ringo::task_group both;
    both.go([&, ctx = ctx] { check_echo(conn, ctx); });
    const std::size_t size = choices.below(message.size());
    const auto error = conn.write({message.data(), size});
    switch (choices.below(6)) {
      case 0: static_cast<void>(conn.close()); break;
      case 1:
        reset(conn);
        static_cast<void>(conn.close());
        break;
      case 2: static_cast<void>(conn.set_deadline(steady_clock::now() + choices.moment())); break;
      case 3: cancel(); break;
      case 4: static_cast<void>(conn.close_read()); break;
      default: break;
    }
    if (!error) static_cast<void>(conn.close_write());
    static_cast<void>(both.wait());
  }
  cancel();
  EXPECT(steady_clock::now() - start < 2 * call_max);
}

struct places {
  net::tcp_listener tcp = net::listen(net::tcp, ":0").value();
  net::unix_listener local = net::listen(net::unix_stream, abstract_name()).value();
  std::atomic<std::uint64_t> next_stream{0};
  std::atomic<std::uint64_t> connected{0};
  std::atomic<std::uint64_t> failed{0};
};

template <typename Listener>
void accept_all(places& world, const Listener& listener, ringo::wait_group& servers) {
  for (;;) {
    auto conn = listener.accept();
    if (!conn) {
      EXPECT(conn.error() == ringo::errc::closed);
      return;
    }
    servers.go([conn = *std::move(conn), stream = ++world.next_stream] {
      serve(conn, random_choices(stream));
    });
  }
}

void be_client(places& world, const std::string& message, steady_clock::time_point until) {
  random_choices choices(++world.next_stream);
  const auto once = [&](auto network, const std::string& address) {
    const auto hurry = choices.once_in(4)
                           ? ringo::with_timeout(ringo::background(), choices.moment())
                           : ringo::with_cancel(ringo::background());
    const auto conn = net::dial(hurry.ctx, network, address);
    hurry.cancel();
    ++(conn ? world.connected : world.failed);
    if (conn) use(*conn, choices, message);
  };
  while (steady_clock::now() < until) {
    if (choices.once_in(3)) {
      once(net::unix_stream, world.local.local().path());
    } else {
      once(net::tcp, "localhost:" + std::to_string(world.tcp.local().port()));
    }
  }
}

std::uint64_t one_round(std::uint64_t round,
                        const std::string& message,
                        std::chrono::milliseconds time) {
  constexpr int clients_max = 32;
  places world;
  world.next_stream = round << 32;
  ringo::wait_group servers;
  ringo::wait_group listeners;
  listeners.go([&] { accept_all(world, world.tcp, servers); });
  listeners.go([&] { accept_all(world, world.local, servers); });
  ringo::wait_group clients;
  const auto until = steady_clock::now() + time;
  for (int i = 0; i < clients_max; ++i) {
    clients.go([&] { be_client(world, message, until); });
  }
  clients.wait();
  EXPECT(!world.tcp.close());
  EXPECT(!world.local.close());
  listeners.wait();
  servers.wait();
  EXPECT(world.connected > 10 * world.failed / 9);
  return world.connected;
}

}  // namespace

TEST_CASE("net: connections of all kinds of ends leave nothing behind") {
  // The bound of a test case is for what hangs (support/main.cpp).
  ::alarm(static_cast<unsigned>(soak_time() / 1s) + sizes::test_case_seconds_max);
  std::string message(message_max, ' ');
  for (std::size_t i = 0; i < message.size(); ++i) message[i] = byte_at(i);
  std::uint64_t round = 0;
  for_each_worker_count([&](std::size_t workers) {
    std::uint64_t connections = 0;
    run_on(workers, [&] {
      const std::size_t sockets = open_sockets();
      const auto until = steady_clock::now() + soak_time() / 3;
      std::size_t settled_kib = 0;
      for (int i = 0; i < 2 || steady_clock::now() < until; ++i) {
        connections += one_round(++round, message, soak_time() / 12);
        eventually([&] { return ringo::num_fibers() == 1; }, "all fibers to end");
        eventually([&] { return open_sockets() == sockets; }, "all sockets to be closed");
        if (i == 0) settled_kib = resident_kib();
      }
      constexpr auto growth_max_kib = sizes::pick<std::size_t>(8'000, 1 << 30, 1 << 30);
      EXPECT(resident_kib() < settled_kib + growth_max_kib);
    });
    MESSAGE(workers << " workers: " << connections << " connections");
  });
}
