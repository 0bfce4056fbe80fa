// Reading, writing and giving up, over TCP.

#include <ringo/net/conn.hpp>

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include <sys/mman.h>

#include <ringo/net.hpp>
#include <ringo/ringo.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/tcp_pair.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
namespace net = ringo::net;
using std::chrono::steady_clock;

TEST_CASE("NT-1: the end of the stream is eof, a connection that was closed here is closed") {
  run_on_each([] {
    tcp_pair pair;
    std::string text(8, ' ');
    EXPECT(!pair.accepted.write("last"));
    EXPECT(!pair.accepted.close());
    EXPECT(pair.dialled.read(text).value() == 4);
    EXPECT(pair.dialled.read(text).error() == ringo::errc::eof);
    EXPECT(pair.accepted.read(text).error() == ringo::errc::closed);
  });
}

TEST_CASE("NT-2: an empty buffer reads nothing, also at the end of the stream") {
  run_on_each([] {
    tcp_pair pair;
    EXPECT(pair.dialled.read({}).value() == 0);
    EXPECT(!pair.accepted.write("x"));
    EXPECT(pair.dialled.read({}).value() == 0);
    EXPECT(!pair.accepted.close());
    std::string text(8, ' ');
    EXPECT(pair.dialled.read(text).value() == 1);
    EXPECT(pair.dialled.read({}).value() == 0);
    EXPECT(pair.dialled.read(text).error() == ringo::errc::eof);
  });
}

TEST_CASE("NT-18: a reset is an error, and not the end of the stream") {
  run_on_each([] {
    tcp_pair pair;
    EXPECT(!pair.accepted.set_linger(0ns));
    EXPECT(!pair.accepted.close());
    std::string text(8, ' ');
    EXPECT(pair.dialled.read(text).error() == std::errc::connection_reset);
  });
}

TEST_CASE("conn: a read that fails takes nothing, and the next one has it") {
  constexpr std::size_t size = 4096;
  void* const forbidden = ::mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(forbidden != MAP_FAILED);
  run_on_each([&] {
    tcp_pair pair;
    std::string text(8, ' ');
    auto reader =
        go_until_parked("net read", [&] { EXPECT(pair.dialled.read(text).value() == 5); });
    EXPECT(!pair.accepted.write("first"));
    reader.wait();
    EXPECT(!pair.accepted.write("second"));
    const ringo::io::buffer nowhere(static_cast<std::byte*>(forbidden), size);
    EXPECT(pair.dialled.read(nowhere).error() == std::errc::bad_address);
    EXPECT(pair.dialled.read(text).value() == 6);
  });
  ::munmap(forbidden, size);
}

TEST_CASE("conn: several pieces are written as if they were one") {
  run_on_each([] {
    tcp_pair pair;
    const std::array<ringo::io::const_buffer, 4> pieces{"one ", "", "two ", "three"};
    EXPECT(!pair.dialled.write(pieces));
    EXPECT(!pair.dialled.close());
    std::string all;
    std::string text(8, ' ');
    for (;;) {
      const auto n = pair.accepted.read(text);
      if (!n) break;
      all.append(text, 0, *n);
    }
    EXPECT(all == "one two three");
  });
}

TEST_CASE("conn: any connection can be copied to a conn") {
  run_on_each([] {
    tcp_pair pair;
    const net::conn any = pair.dialled;
    EXPECT(!any.write("x"));
    EXPECT(any == pair.dialled);
    EXPECT(any.remote() == pair.accepted.local());
    EXPECT(any.local() == pair.accepted.remote());
    EXPECT(!any.close());
    EXPECT(pair.dialled.close() == ringo::errc::closed);
  });
}
