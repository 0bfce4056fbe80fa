// Unix sockets: streams, packets, datagrams, and their files.

#include <ringo/net/unix.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <string>

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ringo/net.hpp>
#include <ringo/ringo.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/unix_pair.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
namespace net = ringo::net;
using std::chrono::steady_clock;

namespace {

bool exists(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0;
}

}  // namespace

TEST_CASE("unix: bytes go both ways, over a file and over a name without one") {
  run_on_each([] {
    temporary_directory directory;
    for (const auto& path : {directory.path("socket"), abstract_name()}) {
      const auto listener = net::listen(net::unix, path).value();
      EXPECT(listener.local() == net::endpoint::from_path(path));
      const auto dialled = net::dial(net::unix, path).value();
      const auto accepted = listener.accept().value();
      EXPECT(dialled.remote() == listener.local());
      EXPECT(accepted.local() == listener.local());
      EXPECT(!dialled.write("ping"));
      std::string text(8, ' ');
      EXPECT(accepted.read(text).value() == 4);
      EXPECT(!accepted.write("pong!"));
      EXPECT(dialled.read(text).value() == 5);
      EXPECT(!accepted.close());
      EXPECT(dialled.read(text).error() == ringo::errc::eof);
      EXPECT(dialled.write("x") == std::errc::broken_pipe);
    }
  });
}

TEST_CASE("NT-23: the file of a listener goes with the first close only") {
  run_on_each([] {
    temporary_directory directory;
    const auto path = directory.path("socket");
    const auto first = net::listen(net::unix_stream, path).value();
    EXPECT(exists(path));
    EXPECT(net::listen(net::unix_stream, path).error() == std::errc::address_in_use);
    EXPECT(!first.close());
    EXPECT(!exists(path));
    const auto second = net::listen(net::unix_stream, path).value();
    EXPECT(first.close() == ringo::errc::closed);
    EXPECT(!first.set_unlink_on_close(true));
    EXPECT(first.close() == ringo::errc::closed);
    EXPECT(exists(path));
    EXPECT(!second.close());
    EXPECT(!exists(path));
  });
}

TEST_CASE("NT-23: the file goes with the last handle, and stays if it is told to or given away") {
  run_on_each([] {
    temporary_directory directory;
    const auto path = directory.path("socket");
    { const auto dropped = net::listen(net::unix_packet, path).value(); }
    EXPECT(!exists(path));

    const auto kept = net::listen(net::unix_stream, path).value();
    EXPECT(!kept.set_unlink_on_close(false));
    EXPECT(!kept.close());
    EXPECT(exists(path));
    EXPECT(::unlink(path.c_str()) == 0);

    const int fd = net::listen(net::unix_stream, path).value().release().value();
    EXPECT(exists(path));
    const auto adopted = net::from_fd<net::unix_listener>(fd).value();
    EXPECT(!adopted.close());
    EXPECT(exists(path));
  });
}

TEST_CASE("NT-17: half-close over streams and packets") {
  run_on_each([] {
    for (const auto network : {net::unix_stream, net::unix_packet}) {
      unix_pair pair(network);
      std::string text(8, ' ');
      EXPECT(!pair.dialled.close_write());
      EXPECT(pair.accepted.read(text).error() == ringo::errc::eof);
      EXPECT(pair.dialled.write("x") == std::errc::broken_pipe);
      EXPECT(!pair.accepted.write("still"));
      EXPECT(pair.dialled.read(text).value() == 5);
      EXPECT(!pair.dialled.close_read());
      EXPECT(pair.dialled.read(text).error() == ringo::errc::eof);
    }
  });
}

TEST_CASE("unix: close_read ends a read that waits") {
  run_on_each([] {
    for (const auto network : {net::unix_stream, net::unix_packet}) {
      unix_pair pair(network);
      auto reader = go_until_parked("net read", [&] {
        std::string text(8, ' ');
        EXPECT(pair.dialled.read(text).error() == ringo::errc::eof);
      });
      EXPECT(!pair.dialled.close_read());
      reader.wait();
    }
  });
}

TEST_CASE("unix: packets keep their bounds") {
  run_on_each([] {
    unix_pair pair(net::unix_packet);
    std::string text(16, ' ');
    auto reader =
        go_until_parked("net read", [&] { EXPECT(pair.accepted.read(text).value() == 1); });
    EXPECT(!pair.dialled.write("1"));
    reader.wait();
    EXPECT(!pair.dialled.write("one"));
    EXPECT(!pair.dialled.write("seven77"));
    EXPECT(pair.accepted.read(text).value() == 3);
    EXPECT(pair.accepted.read(text).value() == 7);
  });
}

TEST_CASE("NT-31: datagrams of Unix sockets, empty ones too") {
  run_on_each([] {
    temporary_directory directory;
    const auto server = net::listen(net::unix_datagram, directory.path("server")).value();
    const auto nameless = net::dial(net::unix_datagram, server.local().path()).value();
    const auto named = net::dial(net::unix_datagram,
                                 server.local().path(),
                                 {.local = net::endpoint::from_path(directory.path("client"))})
                           .value();
    std::string text(8, ' ');
    EXPECT(!nameless.write(""));
    const auto from_nameless = server.read_from(text).value();
    EXPECT(from_nameless.size == 0);
    EXPECT(from_nameless.from.path().empty());
    EXPECT(!named.write("ping"));
    const auto from_named = server.read_from(text).value();
    EXPECT(from_named.size == 4);
    EXPECT(from_named.from == named.local());
    EXPECT(!server.write_to("pong", from_named.from));
    EXPECT(named.read(text).value() == 4);
    EXPECT(named.write_to("x", server.local()) == std::errc::already_connected);
    EXPECT(server.write("x") == std::errc::destination_address_required);
  });
}

TEST_CASE("unix: write_to waits for a receiver that is behind") {
  run_on_each([] {
    const auto server = net::listen(net::unix_datagram, abstract_name()).value();
    const auto client = net::listen(net::unix_datagram, abstract_name()).value();
    constexpr int count = 1000;  // more than a queue holds: net.unix.max_dgram_qlen
    std::atomic<int> sent{0};
    fiber_group sender;
    sender.go([&] {
      for (; sent < count; ++sent) EXPECT(!client.write_to("x", server.local()));
    });
    eventually([&] { return sent > 0; }, "a datagram");
    let_others_run();
    std::string text(8, ' ');
    for (int i = 0; i < count; ++i) EXPECT(server.read(text).value() == 1);
    sender.join();
  });
}

TEST_CASE("unix: write_to a receiver that is behind gives up when told") {
  run_on_each([] {
    const auto server = net::listen(net::unix_datagram, abstract_name()).value();
    const auto client = net::listen(net::unix_datagram, abstract_name()).value();
    const auto ctx = ringo::with_timeout(ringo::background(), 20ms);
    std::error_code error;
    while (!error) error = client.write_to(ctx.ctx, "x", server.local());
    EXPECT(error == ringo::errc::deadline_exceeded);
    EXPECT(!client.set_write_deadline(steady_clock::now() + 5ms));
    EXPECT(client.write_to("x", server.local()) == ringo::errc::deadline_exceeded);
    EXPECT(!client.set_write_deadline({}));
    fiber_group closing;
    closing.go([&] { EXPECT(!client.close()); });
    EXPECT(client.write_to("x", server.local()) == ringo::errc::closed);
    closing.join();
  });
}

TEST_CASE("unix: dial waits for a listener that is behind") {
  run_on_each([] {
    const auto name = abstract_name();
    const auto listener = net::listen(net::unix_stream, name, {.backlog = 1}).value();
    const auto late = net::dial_options{.timeout = 20ms};
    std::error_code error;
    std::vector<net::unix_conn> made;
    while (!error) {
      auto conn = net::dial(net::unix_stream, name, late);
      error = conn.error();
      if (conn) made.push_back(*conn);
    }
    EXPECT(error == ringo::errc::deadline_exceeded);
    EXPECT(made.size() == 2);  // as many as wait, and one
    fiber_group dialler;
    dialler.go([&] { EXPECT(net::dial(net::unix_stream, name)); });
    let_others_run();
    for (std::size_t i = 0; i <= made.size(); ++i) EXPECT(listener.accept());
    dialler.join();
  });
}

TEST_CASE("unix: nobody there is an error at once") {
  run_on_each([] {
    temporary_directory directory;
    EXPECT(net::dial(net::unix_stream, directory.path("none")).error() ==
           std::errc::no_such_file_or_directory);
    EXPECT(net::dial(net::unix_stream, abstract_name()).error() == std::errc::connection_refused);
    EXPECT(net::dial(net::unix_stream, std::string(200, 'x')).error() ==
           std::errc::invalid_argument);
    EXPECT(net::listen(net::unix_stream, std::string(200, 'x')).error() ==
           std::errc::invalid_argument);
  });
}

TEST_CASE("unix: a stream that carries descriptors of files loses no byte") {
  // The system ends a read early where one was sent: that must not pass for an empty stream.
  run_on_each([] {
    unix_pair pair;
    std::string text(64, ' ');
    auto reader =
        go_until_parked("net read", [&] { EXPECT(pair.accepted.read(text).value() > 0); });
    EXPECT(!pair.dialled.write("0"));
    reader.wait();
    EXPECT(!pair.dialled.with_fd([](int fd) {
      for (int i = 0; i < 2; ++i) {
        char byte = 'x';
        iovec piece{&byte, 1};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        *reinterpret_cast<int*>(CMSG_DATA(header)) = fd;
        EXPECT(::sendmsg(fd, &message, MSG_NOSIGNAL) == 1);
      }
    }));
    EXPECT(!pair.dialled.write("abc"));
    std::size_t seen = 0;
    while (seen < 5) {
      const auto n = pair.accepted.read(text);
      EXPECT(n);
      if (!n) break;
      seen += *n;
    }
  });
}
