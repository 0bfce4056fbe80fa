// Where an edge-triggered set, a prediction or a race could leave somebody waiting for ever.

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ringo/context.hpp>
#include <ringo/ringo.hpp>

#include "io/descriptor.hpp"
#include "io/read_write.hpp"
#include "sched/cancellation.hpp"
#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/sizes.hpp"
#include "support/threads.hpp"

using namespace ringo::test;
using namespace ringo::detail;
using namespace std::chrono_literals;

namespace {

/// One end is a descriptor, the other one a plain number.
struct half_pair {
  descriptor_handle ours;
  int theirs = -1;

  half_pair(int ours_fd, int theirs_fd)
      : ours(new descriptor(ours_fd, kind_of_socket(ours_fd))), theirs(theirs_fd) {}
  half_pair(const half_pair&) = delete;
  half_pair& operator=(const half_pair&) = delete;
  ~half_pair() { ::close(theirs); }

  static half_pair local(int type) {
    std::array<int, 2> fds{};
    EXPECT(::socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) == 0);
    return {fds[0], fds[1]};
  }
  static half_pair tcp() {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const place = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    EXPECT(::bind(listener, place, size) == 0);
    EXPECT(::listen(listener, 1) == 0);
    EXPECT(::getsockname(listener, place, &size) == 0);
    const int theirs = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT(::connect(theirs, place, size) == 0);
    const int ours = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    ::close(listener);
    return {ours, theirs};
  }

  void send(std::string_view text, int flags = 0) const {
    EXPECT(::send(theirs, text.data(), text.size(), flags | MSG_NOSIGNAL) ==
           static_cast<ssize_t>(text.size()));
  }
  /// With a descriptor beside the text, which keeps the kernel from gluing texts together.
  void send_with_descriptor(std::string_view text) const {
    iovec piece{const_cast<char*>(text.data()), text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &theirs, sizeof theirs);
    EXPECT(::sendmsg(theirs, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
  }
};

std::string read_text(const half_pair& pair) {
  std::string text(16, ' ');
  const io_outcome got = read_some(*pair.ours.get(), text, nullptr);
  EXPECT(!got.error);
  text.resize(static_cast<std::size_t>(got.count));
  return text;
}

/// A reader that has waited once reads `parts`, which `send` sends in one go.
template <class Send>
void expect_parts(const half_pair& pair, std::initializer_list<const char*> parts, Send send) {
  auto reader = go_until_parked("net read", [&] {
    for (const char* const part : parts) EXPECT_EQ(read_text(pair), std::string(part));
  });
  send();
  reader.wait();
}

}  // namespace

// A read of less than was asked for says that a TCP stream is empty, and of other sockets nothing.
// The reader waited for an edge that had come already.
TEST_CASE("descriptor: after a short message the next one is read at once") {
  run_on_each([] {
    for (const int type : {SOCK_DGRAM, SOCK_SEQPACKET}) {
      const auto pair = half_pair::local(type);
      expect_parts(pair, {"one", "two", "three"}, [&] {
        pair.send("one");
        pair.send("two");
        pair.send("three");
      });
    }
  });
}

TEST_CASE("descriptor: a stream that passes descriptors ends a read early") {
  run_on_each([] {
    const auto pair = half_pair::local(SOCK_STREAM);
    expect_parts(pair, {"one", "two"}, [&] {
      pair.send_with_descriptor("one");
      pair.send("two");
    });
  });
}

TEST_CASE("descriptor: urgent data ends a read early") {
  run_on_each([] {
    const auto pair = half_pair::tcp();
    expect_parts(pair, {"one", "two"}, [&] {
      pair.send("one");
      pair.send("!", MSG_OOB);
      pair.send("two");
    });
  });
}

// The interleaving under test: close() waits for the last use, and release() finds it closed. The
// number was then given away by nobody to nobody.
TEST_CASE("descriptor: a release that comes after close does not keep the number open") {
  run_on_each([] {
    const auto pair = half_pair::local(SOCK_STREAM);
    descriptor& ours = *pair.ours.get();
    int number = -1;
    watched_fiber closing;
    EXPECT(!ours.with_number([&](int fd) {
      number = fd;
      closing = go_until_parked("task join", [&] { EXPECT(!ours.close()); });
      EXPECT(ours.release().error() == ringo::errc::closed);
      return 0;
    }));
    closing.wait();
    EXPECT(::fcntl(number, F_GETFD) < 0);
  });
}
