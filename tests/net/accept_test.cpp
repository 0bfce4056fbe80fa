// Listeners: who gets a connection, and what ends the wait for one.

#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <string>
#include <vector>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ringo/net.hpp>
#include <ringo/ringo.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/sizes.hpp"
#include "support/unix_pair.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
namespace net = ringo::net;
using std::chrono::steady_clock;

namespace {

net::tcp_listener listen() {
  return net::listen(net::tcp, "127.0.0.1:0").value();
}

/// Takes numbers until the process has none left; gives them back.
class no_descriptors_left {
 public:
  no_descriptors_left() {
    // UBSan looks at the category of an error or condition by a pipe the first time, for which
    // there is no room later.
    EXPECT(std::error_code(EMFILE, std::system_category()) != std::errc::address_not_available);
    ::getrlimit(RLIMIT_NOFILE, &before_);
    // The next number that is free is the lowest: nothing beyond it.
    const int lowest = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    rlimit now = before_;
    now.rlim_cur = static_cast<rlim_t>(lowest);
    ::close(lowest);
    ::setrlimit(RLIMIT_NOFILE, &now);
  }
  no_descriptors_left(const no_descriptors_left&) = delete;
  no_descriptors_left& operator=(const no_descriptors_left&) = delete;
  ~no_descriptors_left() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

}  // namespace

TEST_CASE("NT-6: close releases all who accept, also those who wait for their turn") {
  run_on_each([] {
    const auto tcp = listen();
    const auto unix_socket = net::listen(net::unix_stream, abstract_name()).value();
    fiber_group acceptors;
    for (int i = 0; i < 4; ++i) {
      acceptors.go([&] { EXPECT(tcp.accept().error() == ringo::errc::closed); });
      acceptors.go([&] { EXPECT(unix_socket.accept().error() == ringo::errc::closed); });
    }
    wait_until_parked(8);
    EXPECT(!tcp.close());
    EXPECT(!unix_socket.close());
    acceptors.join();
    EXPECT(tcp.accept().error() == ringo::errc::closed);
    EXPECT(tcp.close() == ringo::errc::closed);
    EXPECT(tcp.set_deadline({}) == ringo::errc::closed);
  });
}

TEST_CASE("NT-8: the address can be bound again as soon as close has returned") {
  run_on_each([] {
    const auto at = listen().local();
    for (int i = 0; i < 20; ++i) {
      const auto listener = net::listen(net::tcp, at).value();
      EXPECT(net::listen(net::tcp, at).error() == std::errc::address_in_use);
      const auto dialled = net::dial(net::tcp, at).value();
      const auto accepted = listener.accept().value();
      auto acceptor =
          ringo::spawn([&] { EXPECT(listener.accept().error() == ringo::errc::closed); });
      if (i % 2 == 0) ringo::yield();
      EXPECT(!listener.close());
      acceptor.join();
    }
  });
}

TEST_CASE("NT-10: accept fails when its deadline has passed, though somebody has dialled") {
  run_on_each([] {
    const auto listener = listen();
    const auto dialled = net::dial(net::tcp, listener.local()).value();
    EXPECT(!listener.set_deadline(steady_clock::now() - 1s));
    EXPECT(listener.accept().error() == ringo::errc::deadline_exceeded);
    EXPECT(!listener.set_deadline({}));
    EXPECT(listener.accept());
  });
}

TEST_CASE("NT-9: accept waits without a deadline, and until it with one") {
  run_on_each([] {
    const auto listener = listen();
    EXPECT(!listener.set_deadline(steady_clock::now() - 1s));
    EXPECT(!listener.set_deadline(steady_clock::time_point::max()));
    auto patient = go_until_parked("net accept", [&] { EXPECT(listener.accept()); });
    let_others_run();
    EXPECT(patient.parked_for("net accept"));
    const auto dialled = net::dial(net::tcp, listener.local()).value();
    patient.wait();
    const auto until = steady_clock::now() + 5ms;
    EXPECT(!listener.set_deadline(until));
    EXPECT(listener.accept().error() == ringo::errc::deadline_exceeded);
    EXPECT(steady_clock::now() >= until);
    EXPECT(listener.accept().error() == std::errc::timed_out);
  });
}

TEST_CASE("accept: a context gives up, and the connection is the next one's") {
  run_on_each([] {
    const auto listener = listen();
    auto [ctx, cancel] = ringo::with_cancel(ringo::background());
    auto impatient = go_until_parked("net accept", [&, ctx = ctx] {
      EXPECT(listener.accept(ctx).error() == ringo::errc::canceled);
    });
    cancel();
    impatient.wait();
    const auto dialled = net::dial(net::tcp, listener.local()).value();
    EXPECT(listener.accept(ctx).error() == ringo::errc::canceled);
    EXPECT(listener.accept(ringo::background()));
    EXPECT(panic_text([&] { (void)listener.accept(ringo::context()); }) == "nil context");
  });
}

TEST_CASE("NT-20: accept fails when there are no descriptors left, and goes on when there are") {
  run_freely_on_each([] {
    const auto listener = listen();
    const auto early = net::dial(net::tcp, listener.local()).value();
    {
      const no_descriptors_left guard;
      for (int i = 0; i < 3; ++i) {
        EXPECT(listener.accept().error() == std::errc::too_many_files_open);
      }
      EXPECT(net::dial(net::tcp, listener.local()).error() == std::errc::too_many_files_open);
    }
    const auto accepted = listener.accept().value();
    EXPECT(accepted.remote() == early.local());
  });
}

TEST_CASE("NT-20: connections that are broken before they are accepted do no harm") {
  run_on_each([] {
    const auto listener = listen();
    std::atomic<int> served{0};
    fiber_group server;
    server.go([&] {
      for (;;) {
        const auto conn = listener.accept();
        if (!conn) {
          EXPECT(conn.error() == ringo::errc::closed);
          return;
        }
        std::string text(8, ' ');
        const auto n = conn->read(text);
        if (n && *n == 4) ++served;
      }
    });
    for (int i = 0; i < 50; ++i) {
      const auto broken = net::dial(net::tcp, listener.local()).value();
      EXPECT(!broken.set_linger(0ns));
      EXPECT(!broken.close());
    }
    const auto whole = net::dial(net::tcp, listener.local()).value();
    EXPECT(!whole.write("data"));
    eventually([&] { return served == 1; }, "the connection that was not broken");
    EXPECT(!listener.close());
    server.join();
  });
}

TEST_CASE("NT-21: many accept at a time; each connection goes to exactly one") {
  run_on_each([] {
    constexpr int acceptors = 10;
    constexpr int dials = 100;
    const auto listener = listen();
    std::atomic<int> accepted{0};
    std::atomic<int> sum{0};
    fiber_group servers;
    for (int i = 0; i < acceptors; ++i) {
      servers.go([&] {
        for (;;) {
          const auto conn = listener.accept();
          if (!conn) return;
          unsigned char number = 0;
          EXPECT(conn->read({&number, 1}).value() == 1);
          sum += number;
          ++accepted;
        }
      });
    }
    fiber_group diallers;
    for (int i = 0; i < acceptors; ++i) {
      diallers.go([&, i] {
        for (int k = i * dials / acceptors; k < (i + 1) * dials / acceptors; ++k) {
          const auto conn = net::dial(net::tcp, listener.local()).value();
          const auto number = static_cast<unsigned char>(k);
          EXPECT(!conn.write({&number, 1}));
        }
      });
    }
    diallers.join();
    eventually([&] { return accepted == dials; }, "all connections");
    EXPECT(sum == dials * (dials - 1) / 2);
    EXPECT(!listener.close());
    servers.join();
  });
}

namespace {

/// Signals all the time, to whichever thread, that interrupt system calls. The handler stays: the
/// last signal may come late.
class signal_storm {
 public:
  signal_storm() {
    struct sigaction quiet {};
    quiet.sa_handler = [](int) {};
    EXPECT(::sigaction(SIGUSR1, &quiet, nullptr) == 0);
    sigevent what{};
    what.sigev_notify = SIGEV_SIGNAL;
    what.sigev_signo = SIGUSR1;
    EXPECT(::timer_create(CLOCK_MONOTONIC, &what, &timer_) == 0);
    constexpr long every_ns = 200'000;
    const itimerspec often{{0, every_ns}, {0, every_ns}};
    EXPECT(::timer_settime(timer_, 0, &often, nullptr) == 0);
  }
  signal_storm(const signal_storm&) = delete;
  signal_storm& operator=(const signal_storm&) = delete;
  ~signal_storm() { ::timer_delete(timer_); }

 private:
  timer_t timer_{};
};

}  // namespace

TEST_CASE("NT-4: a storm of signals is not seen by accept, dial, read and write") {
  run_freely_on_each([] {
    const signal_storm storm;
    constexpr auto rounds = sizes::pick<std::size_t>(300, 100, 50);
    const auto listener = listen();
    fiber_group server;
    server.go([&] {
      for (std::size_t i = 0; i < rounds; ++i) {
        const auto conn = listener.accept();
        EXPECT(conn);
        std::string text(1000, ' ');
        std::size_t seen = 0;
        for (;;) {
          const auto n = conn->read(text);
          if (!n) {
            EXPECT(n.error() == ringo::errc::eof);
            break;
          }
          seen += *n;
        }
        EXPECT(seen == 50'000);
      }
    });
    const std::string sent(50'000, 'x');
    for (std::size_t i = 0; i < rounds; ++i) {
      const auto conn = net::dial(net::tcp, listener.local());
      EXPECT(conn);
      EXPECT(!conn->write(sent));
      EXPECT(!conn->close());
    }
    server.join();
  });
}
