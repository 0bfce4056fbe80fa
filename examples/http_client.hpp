#pragma once

// The client's side of HTTP/1.1: Boost.Beast and OpenSSL on ringo's connections, in straight lines.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/ssl.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <ringo/asio_stream.hpp>
#include <ringo/net.hpp>
#include <ringo/ringo.hpp>

#include "url.hpp"

namespace web {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

/// One of Asio's synchronous streams, with TLS or without.
struct connection {
  ringo::asio_stream<ringo::net::tcp_conn> transport;
  std::optional<asio::ssl::stream<decltype(transport)&>> tls;
  boost::beast::flat_buffer buffer;

  connection(const ringo::context& ctx, ringo::net::tcp_conn conn)
      : transport(ctx, std::move(conn)) {}

  template <typename Buffers, typename... Error>
  std::size_t read_some(const Buffers& to, Error&... error) {
    return tls ? tls->read_some(to, error...) : transport.read_some(to, error...);
  }
  template <typename Buffers, typename... Error>
  std::size_t write_some(const Buffers& from, Error&... error) {
    return tls ? tls->write_some(from, error...) : transport.write_some(from, error...);
  }
};

struct client_options {
  std::uint64_t body_max = 1 << 30;
  std::chrono::nanoseconds silence_max = std::chrono::seconds(30);  ///< of a server
  std::uint32_t header_max = 16 * 1024;
  int redirects_max = 10;
};

/// Thread-safe. Keeps connections for further requests to their origin, until it ends itself.
class client {
 public:
  /// `tls` has the certificates to trust; it must outlive the client.
  client(asio::ssl::context& tls, const client_options& limits) : tls_(tls), limits_(limits) {
    prepare(SSL_CTX_get_cert_store(tls.native_handle()));
  }

  /// Gets what is there, or where redirections lead, and hands the body on piece by piece as it
  /// comes. Blocks only the fiber, until ctx is done. Throws hopeless; system_error, Boost's or
  /// std's, for what may be better next time; and what `take` throws.
  void get(const ringo::context& ctx,
           url from,
           const std::function<void(std::string_view piece)>& take) {
    for (int hops = 0; hops <= limits_.redirects_max; ++hops) {
      std::optional<body_parser> answer;
      const auto conn = ask(ctx, from, answer);
      const auto& head = answer->get();
      const auto location = head.find(http::field::location);
      const bool moved = head.result_int() / 100 == 3 && location != head.end();
      const url next = moved ? follow(from, std::string(location->value())) : url();
      if (!moved && head.result_int() / 100 != 2) refuse(head.result_int(), head.reason());
      if (!moved) receive(*conn, *answer, take);
      if (answer->is_done() && answer->keep_alive() && conn->buffer.size() == 0) {
        const std::lock_guard guard(lock_);
        idle_.emplace(from.origin, conn);
      }
      if (!moved) return;
      from = next;
    }
    throw hopeless("redirected too often");
  }

 private:
  using body_parser = http::response_parser<http::buffer_body>;
  using connection_ref = std::shared_ptr<connection>;

  asio::ssl::context& tls_;
  const client_options limits_;
  ringo::mutex lock_;
  std::multimap<std::string, connection_ref> idle_;  // by origin; guarded by lock_

  /// OpenSSL decodes what certificates say when they are first used. That is thread-safe, but by
  /// atomics that ThreadSanitizer does not see in a library as it is shipped: so it is done now.
  static void prepare(X509_STORE* store) {
    const STACK_OF(X509_OBJECT)* known = X509_STORE_get0_objects(store);
    for (int i = 0; i < sk_X509_OBJECT_num(known); ++i) {
      X509* certificate = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(known, i));
      if (certificate != nullptr) X509_check_purpose(certificate, -1, 0);
    }
  }

  [[noreturn]] static void refuse(unsigned status, boost::string_view reason) {
    const std::string why = "HTTP " + std::to_string(status) + " " + std::string(reason);
    if (status < 500 && status != 429) throw hopeless(why);
    throw std::runtime_error(why);
  }

  connection_ref find_idle(const std::string& origin) {
    const std::lock_guard guard(lock_);
    const auto found = idle_.find(origin);
    return found == idle_.end() ? nullptr : idle_.extract(found).mapped();
  }

  connection_ref connect(const ringo::context& ctx, const url& to) {
    auto dialed =
        ringo::net::dial(ctx, ringo::net::tcp, to.address, {.timeout = limits_.silence_max});
    if (!dialed) throw std::system_error(dialed.error());
    const auto made = std::make_shared<connection>(ctx, *std::move(dialed));
    if (!to.is_secure()) return made;
    auto& tls = made->tls.emplace(made->transport, tls_);
    tls.set_verify_mode(asio::ssl::verify_peer);
    SSL* const ssl = tls.native_handle();
    const char* const host = to.host.c_str();
    const bool is_checked =
        ringo::net::address::parse(to.host)
            ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1
            : SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
    if (!is_checked) throw hopeless("no name for a certificate");
    expect(*made);
    error_code error;
    tls.handshake(asio::ssl::stream_base::client, error);
    if (error.category() == asio::error::get_ssl_category()) throw hopeless(error.message());
    if (error) throw boost::system::system_error(error);
    return made;
  }

  /// The server has to say something from now on.
  void expect(const connection& conn) const {
    static_cast<void>(conn.transport.next_layer().set_deadline(std::chrono::steady_clock::now() +
                                                               limits_.silence_max));
  }

  /// Sends the request and reads the header of the answer. A connection that was kept may have been
  /// closed by the server meanwhile: then another one is tried.
  connection_ref ask(const ringo::context& ctx, const url& to, std::optional<body_parser>& answer) {
    http::request<http::empty_body> request(http::verb::get, to.target, 11);
    request.set(http::field::host, to.authority);
    request.set(http::field::user_agent, "ringo");
    for (;;) {
      connection_ref conn = find_idle(to.origin);
      const bool is_new = conn == nullptr;
      if (is_new) conn = connect(ctx, to);
      conn->transport.set_context(ctx);
      expect(*conn);
      error_code error;
      http::write(*conn, request, error);
      do {  // an answer of 1xx is followed by the one that counts
        answer.emplace();
        answer->header_limit(limits_.header_max);
        answer->body_limit(limits_.body_max);
        if (!error) http::read_header(*conn, conn->buffer, *answer, error);
      } while (!error && answer->get().result_int() / 100 == 1);
      if (!error) return conn;
      if (error == http::error::body_limit) throw hopeless("too large");
      if (is_new || ctx.err()) throw boost::system::system_error(error);
    }
  }

  void receive(connection& conn,
               body_parser& answer,
               const std::function<void(std::string_view)>& take) {
    std::vector<char> block(64 * 1024);
    std::size_t held = 0;  // small chunks are collected
    while (!answer.is_done()) {
      auto& body = answer.get().body();
      body.data = block.data() + held;
      body.size = block.size() - held;
      expect(conn);
      error_code error;
      http::read_some(conn, conn.buffer, answer, error);
      if (error == http::error::body_limit) throw hopeless("too large");
      if (error && error != http::error::need_buffer) throw boost::system::system_error(error);
      held = block.size() - body.size;
      if (held == block.size() || answer.is_done()) take({block.data(), std::exchange(held, 0)});
    }
  }
};

}  // namespace web
