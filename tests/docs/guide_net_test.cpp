// The code of docs/guide/io_net.md.

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <system_error>

#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include <ringo/asio_stream.hpp>
#include <ringo/io/buffered_reader.hpp>
#include <ringo/io/copy.hpp>
#include <ringo/io/file.hpp>
#include <ringo/io/wait_fd.hpp>
#include <ringo/net.hpp>
#include <ringo/ringo.hpp>

#include "support/copying.hpp"
#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/tcp_pair.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;

namespace {

//! [serve]
void echo(const ringo::net::tcp_conn& conn) {
  std::array<std::byte, 1024> room;
  while (const auto count = conn.read(room)) {
    if (conn.write(std::span(room).first(*count))) return;
  }
}

void serve(const ringo::net::tcp_listener& listener) {
  while (const auto conn = listener.accept()) {
    ringo::go([conn = *conn] { echo(conn); });
  }
}
//! [serve]

//! [dial]
ringo::result<std::string> ask(const ringo::context& ctx,
                               std::string_view address,
                               std::string_view question) {
  const auto conn = ringo::net::dial(ctx, ringo::net::tcp, address, {.timeout = 5s});
  if (!conn) return conn.error();
  if (const auto error = conn->write(ctx, question)) return error;
  ringo::io::buffered_reader reader(*conn);
  const auto line = reader.read_line(ctx);
  if (!line) return line.error();
  return std::string(*line);
}
//! [dial]

//! [deadline]
/// Whoever says nothing for a second is hung up on.
std::error_code read_patiently(const ringo::net::tcp_conn& conn, ringo::io::buffer to) {
  if (const auto error = conn.set_read_deadline(std::chrono::steady_clock::now() + 1s))
    return error;
  const auto count = conn.read(to);
  if (count.error() == ringo::errc::deadline_exceeded) return conn.close();
  return count.error();
}
//! [deadline]

//! [wait_fd]
/// What a client library with non-blocking calls and a descriptor needs.
std::error_code drain(const ringo::context& ctx, int fd) {
  std::array<char, 256> room;
  for (;;) {
    const auto ready = ringo::io::wait_fd(ctx, fd, ringo::io::readable);
    if (!ready) return ready.error();
    if (::read(fd, room.data(), room.size()) <= 0) return {};
  }
}
//! [wait_fd]

//! [copy]
/// Sends a file, then whatever `source` says until it ends.
std::error_code send_all(const ringo::context& ctx,
                         const ringo::net::tcp_conn& to,
                         const ringo::io::file& page,
                         const ringo::net::tcp_conn& source) {
  const auto head = ringo::io::copy(ctx, to, page);
  if (head.error) return head.error;
  return ringo::io::copy(ctx, to, source).error;
}
//! [copy]

//! [asio]
std::string ask_through_asio(const ringo::net::tcp_conn& conn, const std::string& question) {
  ringo::asio_stream stream(conn);
  boost::asio::write(stream, boost::asio::buffer(question));
  std::string answer;
  boost::asio::read_until(stream, boost::asio::dynamic_buffer(answer), '\n');
  return answer;
}
//! [asio]

}  // namespace

TEST_CASE("guide: io and net") {
  run_on_each([] {
    const auto listener = ringo::net::listen(ringo::net::tcp, "127.0.0.1:0").value();
    auto serving = ringo::spawn([&] { serve(listener); });
    const std::string address = listener.local().to_string();
    const auto answer = ask(ringo::background(), address, "anybody there?\n");
    EXPECT((answer && *answer == "anybody there?"));
    {
      const auto conn = ringo::net::dial(ringo::net::tcp, address).value();
      EXPECT(ask_through_asio(conn, "hello\n") == "hello\n");
      EXPECT(!conn.write("x"));
      std::array<char, 4> room{};
      EXPECT(!read_patiently(conn, room));
      EXPECT(!conn.close());
    }
    std::array<int, 2> ends{};
    EXPECT(::pipe(ends.data()) == 0);
    EXPECT(::write(ends[1], "text", 4) == 4);
    ::close(ends[1]);
    EXPECT(!drain(ringo::background(), ends[0]));
    ::close(ends[0]);
    EXPECT(!listener.close());
    serving.join();
  });
}

TEST_CASE("guide: a copy") {
  run_on_each([] {
    const tcp_pair client;
    const tcp_pair source;
    const auto page = file_with(pattern(100'000));
    fiber_group sender;
    sender.go([&] {
      EXPECT(!send_all(ringo::background(), client.accepted, page, source.accepted));
      EXPECT(!client.accepted.close());
    });
    EXPECT(!source.dialled.write("and more"));
    EXPECT(!source.dialled.close());
    EXPECT(read_up_to(client.dialled) == pattern(100'000) + "and more");
    sender.join();
  });
}
