// HTTP and TLS on these streams: examples/http_server.cpp and its checks.

#include <ringo/asio_stream.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include <ringo/context.hpp>
#include <ringo/ringo.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/tcp_pair.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using boost::system::error_code;

TEST_CASE("asio_stream: Asio's own functions read and write") {
  run_on_each([] {
    tcp_pair pair;
    ringo::asio_stream ours(pair.dialled);
    ringo::asio_stream theirs(pair.accepted);
    auto answering = ringo::spawn([&] {
      std::string line;
      const auto count = asio::read_until(theirs, asio::dynamic_buffer(line), '\n');
      EXPECT(line.substr(0, count) == "three pieces of it\n");
      EXPECT(asio::write(theirs, asio::buffer(std::string(100'000, 'x'))) == 100'000);
      EXPECT(!pair.accepted.close());
    });
    const std::array<asio::const_buffer, 4> pieces{asio::buffer("three ", 6),
                                                   asio::buffer("", 0),
                                                   asio::buffer("pieces ", 7),
                                                   asio::buffer("of it\n", 6)};
    EXPECT(asio::write(ours, pieces) == 19);
    std::string got;
    error_code error;
    EXPECT(asio::read(ours, asio::dynamic_buffer(got), error) == 100'000);
    EXPECT(error == asio::error::eof);
    EXPECT(got == std::string(100'000, 'x'));
    answering.join();
  });
}

TEST_CASE("asio_stream: errors are those that users of Asio test for") {
  run_on_each([] {
    tcp_pair pair;
    auto [ctx, cancel] = ringo::with_cancel(ringo::background());
    ringo::asio_stream stream(ctx, pair.dialled);
    std::array<char, 16> room{};
    error_code error;
    auto waiting = go_until_parked("net read", [&] {
      EXPECT(stream.read_some(asio::buffer(room), error) == 0);
      EXPECT(error == asio::error::operation_aborted);
    });
    cancel();
    waiting.wait();
    EXPECT(stream.write_some(asio::buffer("x", 1), error) == 0);
    EXPECT(error == asio::error::operation_aborted);
    stream.set_context({});
    EXPECT(!pair.dialled.set_deadline(std::chrono::steady_clock::now() - 1s));
    stream.read_some(asio::buffer(room), error);
    EXPECT(error == asio::error::timed_out);
    EXPECT(!pair.dialled.set_deadline(std::chrono::steady_clock::time_point::max()));
    EXPECT(!pair.dialled.close());
    stream.read_some(asio::buffer(room), error);
    EXPECT(error == asio::error::bad_descriptor);
    bool thrown = false;
    try {
      stream.write_some(asio::buffer("x", 1));
    } catch (const boost::system::system_error& caught) {
      thrown = caught.code() == asio::error::bad_descriptor;
    }
    EXPECT(thrown);
  });
}

TEST_CASE("asio_stream: other codes keep their meaning") {
  using ringo::detail::to_boost;
  CHECK_FALSE(to_boost({}));
  CHECK(to_boost(std::error_code(ECONNRESET, std::system_category())) ==
        asio::error::connection_reset);
  CHECK(to_boost(std::make_error_code(std::errc::broken_pipe)) == asio::error::broken_pipe);
  const auto other = to_boost(ringo::errc::unexpected_eof);
  CHECK(&other.category() == &ringo::detail::boost_error_category());
  CHECK(other.message() == std::error_code(ringo::errc::unexpected_eof).message());
}
