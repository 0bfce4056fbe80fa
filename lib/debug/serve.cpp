#include <ringo/debug/serve.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <new>
#include <span>
#include <string>
#include <utility>

#include <ringo/blocking.hpp>
#include <ringo/debug/dump.hpp>
#include <ringo/debug/metrics.hpp>
#include <ringo/debug/trace.hpp>
#include <ringo/go.hpp>
#include <ringo/net/tcp.hpp>
#include <ringo/sync/semaphore.hpp>

#include "debug/http_request.hpp"
#include "debug/page_html.hpp"

namespace ringo::debug {
namespace detail {

constexpr std::ptrdiff_t connections_max = 16;
constexpr std::size_t head_max = 8 * 1024;
constexpr auto request_patience = std::chrono::seconds(10);
constexpr auto answer_patience = std::chrono::seconds(30);
constexpr auto accept_pause = std::chrono::milliseconds(50);  // when the system has no room
constexpr unsigned trace_seconds_max = 60;

struct page_state {
  net::tcp_listener listener;  // immutable
  cancellable_context run;     // immutable
  semaphore room{connections_max};

  page_state(net::tcp_listener at, cancellable_context until)
      : listener(std::move(at)), run(std::move(until)) {}
};

namespace {

using state_ref = std::shared_ptr<page_state>;

/// `known`: so much of it is known not to end with an empty line.
bool is_complete(std::string_view head, std::size_t known = 0) noexcept {
  const std::size_t from = known < 3 ? 0 : known - 3;
  return head.find("\r\n\r\n", from) != std::string_view::npos ||
         head.find("\n\n", from) != std::string_view::npos;
}

/// Up to the empty line behind the headers, or up to the limit.
result<std::string> read_head(const context& run, const net::tcp_conn& from) {
  const auto [ctx, cancel] = with_timeout(run, request_patience);
  const cancel_guard done(cancel);
  std::string head;
  std::array<char, 1024> part;
  for (std::size_t known = 0; !is_complete(head, known) && head.size() <= head_max;) {
    known = head.size();
    const auto count = from.read(ctx, part);
    if (!count) return count.error();
    head.append(part.data(), *count);
  }
  return head;
}

http_answer trace_answer(const context& ctx, const http_request& request) {
  const auto seconds =
      request.has("seconds") ? request.number("seconds", 1, trace_seconds_max) : 1U;
  if (!seconds) return {.status = 400, .body = "seconds: a number from 1 to 60\n"};
  auto text = trace_for(ctx, std::chrono::seconds(*seconds));
  if (text) {
    return {.type = "application/json",
            .more_headers = "Content-Disposition: attachment; filename=\"ringo_trace.json\"\r\n",
            .body = std::move(*text)};
  }
  const bool busy = text.error() == std::errc::device_or_resource_busy;
  return {.status = busy ? 409 : 500, .body = text.error().message() + "\n"};
}

http_answer answer_to(const context& ctx, const http_request& request) {
  if (request.method != "GET" && request.method != "HEAD") {
    return {.status = 405, .more_headers = "Allow: GET, HEAD\r\n", .body = "GET or HEAD only\n"};
  }
  if (request.path == "/") {
    return {.type = "text/html; charset=utf-8",
            .more_headers =
                "Content-Security-Policy: default-src 'none'; connect-src 'self'; "
                "img-src data:; script-src 'unsafe-inline'; "
                "style-src 'unsafe-inline'\r\n",
            .body = std::string(page_html)};
  }
  // A page of somebody else's cannot read the answer, but could keep the program busy.
  if (request.header("Sec-Fetch-Site") == "cross-site") {
    return {.status = 403, .body = "not for other sites\n"};
  }
  if (request.path == "/fibers") {
    return {.body = blocking([] { return dump(); })};  // takes long with many fibers
  }
  if (request.path == "/metrics") {
    return {.type = "text/plain; version=0.0.4; charset=utf-8", .body = prometheus()};
  }
  if (request.path == "/trace") return trace_answer(ctx, request);
  return {.status = 404, .body = "there are /, /fibers, /metrics and /trace?seconds=N\n"};
}

void serve_one(const state_ref& state, const net::tcp_conn& conn) {
  const context& run = state->run.ctx;
  const auto head = read_head(run, conn);
  if (!head) return;  // too slow, or gone
  http_answer answer{.status = 400, .body = "not a request of HTTP/1\n"};
  bool with_body = true;
  if (!is_complete(*head)) {
    answer = {.status = 431, .body = "the head of a request has 8 KiB\n"};
  } else if (const auto request = http_request::parse(*head)) {
    answer = answer_to(run, *request);
    with_body = request->method != "HEAD";
  }
  const auto [ctx, cancel] = with_timeout(run, answer_patience);
  const cancel_guard done(cancel);
  const std::string start = head_of(answer);
  const std::array<io::const_buffer, 2> parts{io::const_buffer(start),
                                              io::const_buffer(answer.body)};
  if (conn.write(ctx, std::span(parts.data(), with_body ? 2U : 1U))) return;
  // What was sent and not read would reset the connection at its end, and the answer with it.
  static_cast<void>(conn.close_write());
  std::array<char, 1024> rest;
  for (std::size_t read = 0; read < head_max;) {
    const auto count = conn.read(ctx, rest);
    if (!count) break;
    read += *count;
  }
}

/// False: there is no memory for it.
bool serve_conn(const state_ref& state, net::tcp_conn conn) {
  try {
    go({.name = "ringo page"}, [state, conn = std::move(conn)] {
      try {
        serve_one(state, conn);
      } catch (const std::bad_alloc&) {  // no answer, then
      }
      static_cast<void>(conn.close());
      state->room.release();
    });
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void accept_all(const state_ref& state) {
  const context& ctx = state->run.ctx;
  while (!state->room.acquire(ctx)) {
    auto conn = state->listener.accept(ctx);
    if (conn && serve_conn(state, *std::move(conn))) continue;
    state->room.release();
    if (ctx.err() || (!conn && conn.error() == errc::closed)) break;
    if (sleep_for(ctx, accept_pause)) break;
  }
  static_cast<void>(state->listener.close());
}

}  // namespace
}  // namespace detail

page::page(std::shared_ptr<detail::page_state> state) noexcept : state_(std::move(state)) {}

page& page::operator=(page&& other) noexcept {
  if (this != &other) {
    stop();
    state_ = std::move(other.state_);
  }
  return *this;
}

page::~page() {
  stop();
}

net::endpoint page::local() const {
  return state_ != nullptr ? state_->listener.local() : net::endpoint{};
}

void page::stop() noexcept {
  if (state_ == nullptr) return;
  state_->run.cancel();
  static_cast<void>(state_->listener.close());
}

result<page> serve(const context& ctx, std::string_view address) {
  auto listener = net::listen(net::tcp, address);
  if (!listener) return listener.error();
  auto state = std::make_shared<detail::page_state>(*std::move(listener), with_cancel(ctx));
  go({.name = "ringo page"}, [state] { detail::accept_all(state); });
  return page(std::move(state));
}

result<page> serve(std::string_view address) {
  return serve(background(), address);
}

}  // namespace ringo::debug
