// An HTTP/1.1 server: Boost.Beast on ringo's connections, one fiber for each, in straight lines.
//
//   http_server [ADDRESS [CERTIFICATE KEY]]      ADDRESS is :8080 by default; with TLS if two PEM
//                                                files are named
//
//   GET /            a greeting
//   GET /stream?N    N lines, one chunk each, as they come
//   POST /echo       the body back, up to 1 MiB
//
// Keep-alive, pipelining, limits on headers, bodies and time. At SIGINT or SIGTERM it accepts no
// more, closes what is idle, and lets what is under way finish for up to 5 s.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <ringo/asio_stream.hpp>
#include <ringo/net.hpp>
#include <ringo/os.hpp>
#include <ringo/ringo.hpp>

using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace http = boost::beast::http;
using tcp_stream = ringo::asio_stream<ringo::net::tcp_conn>;
using tls_stream = asio::ssl::stream<tcp_stream&>;
using request = http::request<http::string_body>;
using response = http::response<http::string_body>;
using boost::system::error_code;

namespace {

constexpr std::uint32_t header_max = 16 * 1024;
constexpr std::uint64_t body_max = 1024 * 1024;
constexpr auto idle_max = 60s, request_max = 30s, linger_max = 2s, drain_max = 5s;

response respond(const request& to, http::status status, std::string body) {
  response made(status, to.version());
  made.set(http::field::server, "ringo");
  made.set(http::field::content_type, "text/plain");
  made.keep_alive(to.keep_alive());
  made.body() = std::move(body);
  made.prepare_payload();
  return made;
}

/// As many lines as asked for, each written when it is there.
template <typename Stream>
void stream_lines(Stream& stream, const request& to, int count, error_code& error) {
  http::response<http::empty_body> head(http::status::ok, to.version());
  head.set(http::field::content_type, "text/plain");
  head.keep_alive(to.keep_alive());
  head.chunked(true);
  http::response_serializer<http::empty_body> serializer(head);
  http::write_header(stream, serializer, error);
  for (int i = 0; i < count && !error; ++i) {
    const std::string line = "line " + std::to_string(i) + "\n";
    asio::write(stream, http::make_chunk(asio::buffer(line)), error);
    ringo::yield();
  }
  if (!error) asio::write(stream, http::make_chunk_last(), error);
}

template <typename Stream>
void answer(Stream& stream, const request& to, error_code& error) {
  const std::string_view target(to.target().data(), to.target().size());
  if (to.method() == http::verb::get && target == "/") {
    http::write(stream, respond(to, http::status::ok, "Hello, world\n"), error);
  } else if (to.method() == http::verb::get && target.starts_with("/stream?")) {
    const int count = std::atoi(std::string(target.substr(8)).c_str());
    stream_lines(stream, to, std::min(count, 1'000'000), error);
  } else if (to.method() == http::verb::post && target == "/echo") {
    http::write(stream, respond(to, http::status::ok, to.body()), error);
  } else {
    http::write(stream, respond(to, http::status::not_found, "no such page\n"), error);
  }
}

/// What was wrong with the request, if that is what it was.
std::optional<http::status> refusal(const error_code& error) {
  if (error == http::error::header_limit) return http::status::request_header_fields_too_large;
  if (error == http::error::body_limit) return http::status::payload_too_large;
  const bool malformed =
      error.category() == http::make_error_code(http::error::bad_method).category();
  if (malformed && error != http::error::end_of_stream && error != http::error::partial_message) {
    return http::status::bad_request;
  }
  return {};
}

/// One request after the other, until the peer is through, or misbehaves, or `stop` is done between
/// two requests. True: the last one was refused, and perhaps not read to its end.
template <typename Stream>
bool serve(const ringo::context& stop, tcp_stream& transport, Stream& stream) {
  boost::beast::flat_buffer buffer;
  const ringo::net::tcp_conn& conn = transport.next_layer();
  for (;;) {
    error_code error;
    auto deadline = std::chrono::steady_clock::now() + idle_max;
    if (conn.set_deadline(deadline)) return false;
    if (buffer.size() == 0) {  // nothing pipelined: it may take long until the next one comes
      transport.set_context(stop);
      buffer.commit(stream.read_some(buffer.prepare(4096), error));
      transport.set_context({});
      if (error) return false;
    }
    if (conn.set_deadline(deadline - idle_max + request_max)) return false;
    http::request_parser<http::string_body> parser;
    parser.header_limit(header_max);
    parser.body_limit(body_max);
    http::read(stream, buffer, parser, error);
    if (const auto status = refusal(error)) {
      const request nothing{http::verb::get, "/", 10};
      http::write(stream, respond(nothing, *status, "refused\n"), error);
      return true;
    }
    if (!error) answer(stream, parser.get(), error);
    if (error || !parser.get().keep_alive() || stop.err()) return false;
  }
}

/// Closing while the peer still sends resets the connection, and the peer may never read what it
/// was told: so its words are listened to for a moment.
void linger(const ringo::net::tcp_conn& conn) {
  std::array<std::byte, 4096> room;
  if (conn.close_write() || conn.set_deadline(std::chrono::steady_clock::now() + linger_max))
    return;
  while (conn.read(room)) continue;
}

void serve_conn(const ringo::context& stop, ringo::net::tcp_conn conn, asio::ssl::context* tls) {
  tcp_stream transport(std::move(conn));
  bool refused = false;
  if (tls == nullptr) {
    refused = serve(stop, transport, transport);
  } else {
    error_code error;
    if (transport.next_layer().set_deadline(std::chrono::steady_clock::now() + request_max)) return;
    tls_stream stream(transport, *tls);
    stream.handshake(asio::ssl::stream_base::server, error);
    if (error) return;
    refused = serve(stop, transport, stream);
    stream.shutdown(error);  // what is wrong with a farewell does not matter
  }
  if (refused) linger(transport.next_layer());
}

int serve_all(const std::string& address, asio::ssl::context* tls) {
  const auto [stop, cancel] =
      ringo::os::signal::notify_context(ringo::background(), {SIGINT, SIGTERM});
  const auto listener = ringo::net::listen(ringo::net::tcp, address);
  if (!listener) {
    std::fprintf(
        stderr, "http_server: %s: %s\n", address.c_str(), listener.error().message().c_str());
    return 1;
  }
  std::printf("%s\n", listener->local().to_string().c_str());
  std::fflush(stdout);
  ringo::wait_group serving;
  while (!stop.err()) {
    if (auto conn = listener->accept(stop)) {
      serving.go([stop = stop, conn = *std::move(conn), tls] { serve_conn(stop, conn, tls); });
    } else if (!stop.err()) {  // out of descriptors, most likely: some will be free again soon
      static_cast<void>(ringo::sleep_for(stop, 5ms));
    }
  }
  static_cast<void>(listener->close());
  const auto [patience, give_up] = ringo::with_timeout(ringo::background(), drain_max);
  const bool drained = !serving.wait(patience);
  give_up();
  return drained ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::optional<asio::ssl::context> tls;
  try {
    if (argc == 4) {
      tls.emplace(asio::ssl::context::tls_server);
      tls->use_certificate_chain_file(argv[2]);
      tls->use_private_key_file(argv[3], asio::ssl::context::pem);
    }
  } catch (const boost::system::system_error& error) {
    std::fprintf(stderr, "http_server: %s\n", error.what());
    return 1;
  }
  return ringo::run([&] { return serve_all(argc > 1 ? argv[1] : ":8080", tls ? &*tls : nullptr); });
}
