// Sockets given away and taken over.

#include <ringo/net/from_fd.hpp>

#include <doctest/doctest.h>

#include <string>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ringo/ringo.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/tcp_pair.hpp"

using namespace ringo::test;
namespace net = ringo::net;

TEST_CASE("from_fd: what release() gave away goes on as it was") {
  run_on_each([] {
    tcp_pair pair;
    const auto remote = pair.dialled.remote();
    auto reader = go_until_parked("net read", [&] {
      std::string text(4, ' ');
      EXPECT(pair.dialled.read(text).error() == ringo::errc::closed);
    });
    const int fd = pair.dialled.release().value();
    reader.wait();
    EXPECT(pair.dialled.write("x") == ringo::errc::closed);
    const auto again = net::from_fd(fd).value();
    EXPECT(again.remote() == remote);
    EXPECT(!again.write("hello"));
    std::string text(8, ' ');
    EXPECT(pair.accepted.read(text).value() == 5);
    EXPECT(!again.close());
    EXPECT(::fcntl(fd, F_GETFD) < 0);
  });
}

TEST_CASE("from_fd: a number that is something else stays the caller's") {
  run_on_each([] {
    const int udp = ::socket(AF_INET, SOCK_DGRAM, 0);
    EXPECT(net::from_fd(udp).error() == std::errc::invalid_argument);
    EXPECT(net::from_fd<net::tcp_listener>(udp).error() == std::errc::invalid_argument);
    EXPECT(::close(udp) == 0);
    EXPECT(net::from_fd(udp).error() == std::errc::bad_file_descriptor);
    const int file = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    EXPECT(net::from_fd(file).error() == std::errc::not_a_socket);
    EXPECT(::close(file) == 0);
  });
}

TEST_CASE("NT-22: a listener that was made elsewhere accepts connections with the usual defaults") {
  run_on_each([] {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    EXPECT(::bind(fd, reinterpret_cast<const sockaddr*>(&any), sizeof(any)) == 0);
    EXPECT(::listen(fd, 8) == 0);
    const auto listener = net::from_fd<net::tcp_listener>(fd).value();
    EXPECT((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    EXPECT((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    const auto dialled = net::dial(net::tcp, listener.local()).value();
    const auto accepted = listener.accept().value();
    EXPECT(!accepted.with_fd([](int number) {
      int on = 0;
      socklen_t size = sizeof(on);
      EXPECT(::getsockopt(number, IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0);
      EXPECT(on == 1);
    }));
  });
}
