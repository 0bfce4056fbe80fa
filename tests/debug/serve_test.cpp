// The page that a program serves about itself: debug::serve().

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/debug/serve.hpp>
#include <ringo/go.hpp>
#include <ringo/net.hpp>
#include <ringo/sync/wait_group.hpp>

#include "debug/http_request.hpp"
#include "support/run_on.hpp"

using namespace ringo::test;
namespace net = ringo::net;
using ringo::debug::page;
using ringo::debug::detail::http_request;

namespace {

std::string ask(const page& of, const std::string& request) {
  auto conn = net::dial(net::tcp, of.local());
  if (!conn) return "no connection: " + conn.error().message();
  EXPECT(!conn->write(std::string_view(request)));
  std::string answer;
  std::array<char, 4096> part;
  for (;;) {
    const auto count = conn->read(part);
    if (!count) break;
    answer.append(part.data(), *count);
  }
  return answer;
}

std::string get(const page& of, const std::string& target) {
  return ask(of, "GET " + target + " HTTP/1.1\r\nHost: test\r\n\r\n");
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string body_of(const std::string& answer) {
  const auto end = answer.find("\r\n\r\n");
  return end != std::string::npos ? answer.substr(end + 4) : "";
}

page served() {
  return ringo::debug::serve("127.0.0.1:0").value();
}

}  // namespace

TEST_CASE("serve: each path has its answer") {
  run_freely_on_each([] {
    const page page = served();
    auto never_sent = ringo::make_chan<int>();
    ringo::wait_group done;
    for (int i = 0; i < 3; ++i) done.go([&] { (void)never_sent.recv(); });
    const std::string home = get(page, "/");
    EXPECT(home.starts_with("HTTP/1.1 200 OK\r\n"));
    EXPECT(has(home, "Content-Type: text/html"));
    EXPECT(home.ends_with("</html>\n"));
    eventually([&] { return has(get(page, "/fibers"), "3 fibers [chan receive]"); },
               "three that are alike");
    EXPECT(has(get(page, "/fibers"), "\"main\""));
    const std::string metrics = get(page, "/metrics");
    EXPECT(has(metrics, "Content-Type: text/plain; version=0.0.4"));
    EXPECT(has(metrics, "\nringo_fibers{state=\"parked\"} "));
    never_sent.close();
    done.wait();
  });
}

TEST_CASE("serve: what it does not have or does not do has its status") {
  run_freely_on_each([] {
    const page page = served();
    EXPECT(get(page, "/nothing").starts_with("HTTP/1.1 404 Not Found\r\n"));
    const std::string refused = ask(page, "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
    EXPECT(refused.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"));
    EXPECT(has(refused, "Allow: GET, HEAD\r\n"));
    EXPECT(ask(page, "nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
    EXPECT(ask(page, "GET / HTTP/2\r\n\r\n").starts_with("HTTP/1.1 400 "));
    EXPECT(
        ask(page, "GET / HTTP/1.1\r\nX: " + std::string(9000, 'x')).starts_with("HTTP/1.1 431 "));
    for (const char* seconds : {"0", "61", "x", "-1", "1x", ""}) {
      const std::string answer = get(page, std::string("/trace?seconds=") + seconds);
      EXPECT(answer.starts_with("HTTP/1.1 400 "));
    }
  });
}

TEST_CASE("serve: other sites get no dumps and no traces") {
  run_on(2, [] {
    const page page = served();
    for (const char* target : {"/fibers", "/metrics", "/trace?seconds=60"}) {
      const std::string request = std::string("GET ") + target +
                                  " HTTP/1.1\r\nHost: test\r\nsec-fetch-site:  cross-site \r\n\r\n";
      EXPECT(ask(page, request).starts_with("HTTP/1.1 403 Forbidden\r\n"));
    }
    // A link to the page is one of another site's, too.
    EXPECT(ask(page, "GET / HTTP/1.1\r\nSec-Fetch-Site: cross-site\r\n\r\n")
               .starts_with("HTTP/1.1 200 OK\r\n"));
  });
}

TEST_CASE("serve: HEAD has the headers of GET, and no body") {
  run_on(2, [] {
    const page page = served();
    const std::string got = get(page, "/");
    const std::string head = ask(page, "HEAD / HTTP/1.1\r\n\r\n");
    EXPECT(head == got.substr(0, got.find("\r\n\r\n") + 4));
    EXPECT(has(head, "Content-Length: " + std::to_string(body_of(got).size()) + "\r\n"));
  });
}

TEST_CASE("serve: a request may come in pieces") {
  run_on(2, [] {
    const page page = served();
    auto conn = net::dial(net::tcp, page.local()).value();
    for (const char c : std::string("GET /metrics HTTP/1.1\r\n\r\n")) {
      EXPECT(!conn.write(std::string_view(&c, 1)));
      ringo::yield();
    }
    std::array<char, 12> start{};
    std::size_t read = 0;
    while (read < start.size()) {
      const auto count = conn.read({start.data() + read, start.size() - read});
      if (!count) break;
      read += *count;
    }
    EXPECT(std::string(start.data(), read) == "HTTP/1.1 200");
  });
}

TEST_CASE("serve: one trace at a time, the second is told so") {
  run_on(2, [] {
    const page page = served();
    std::array<std::string, 2> answers;
    ringo::wait_group done;
    for (auto& answer : answers) {
      done.go([&] { answer = get(page, "/trace?seconds=1"); });
    }
    done.wait();
    if (answers[0].starts_with("HTTP/1.1 409")) std::swap(answers[0], answers[1]);
    EXPECT(answers[0].starts_with("HTTP/1.1 200 OK\r\n"));
    EXPECT(has(answers[0], "Content-Disposition: attachment; filename=\"ringo_trace.json\"\r\n"));
    const std::string trace = body_of(answers[0]);
    EXPECT(trace.starts_with("[\n"));
    EXPECT(trace.ends_with("]\n"));
    EXPECT(answers[1].starts_with("HTTP/1.1 409 Conflict\r\n"));
  });
}

TEST_CASE("serve: no connection outlives its page") {
  run_freely_on_each([] {
    std::optional<page> page(served());
    const auto at = page->local();
    auto idle = net::dial(net::tcp, at).value();
    page.reset();
    std::array<char, 16> part;
    EXPECT(!idle.read(part).has_value());
    eventually([&] { return !net::dial(net::tcp, at).has_value(); }, "the listener to close");
  });
}

TEST_CASE("serve: a context ends it") {
  run_freely_on_each([] {
    const auto [ctx, cancel] = ringo::with_cancel(ringo::background());
    const auto page = ringo::debug::serve(ctx, "127.0.0.1:0").value();
    EXPECT(get(page, "/").starts_with("HTTP/1.1 200"));
    const auto at = page.local();
    cancel();
    eventually([&] { return !net::dial(net::tcp, at).has_value(); }, "the listener to close");
  });
}

TEST_CASE("serve: more connections than it serves at a time wait for their turn") {
  run_on(2, [] {
    const page page = served();
    std::vector<net::tcp_conn> idle;
    for (int i = 0; i < 16; ++i) idle.push_back(net::dial(net::tcp, page.local()).value());
    std::atomic<bool> answered{false};
    ringo::wait_group done;
    done.go([&] {
      EXPECT(get(page, "/metrics").starts_with("HTTP/1.1 200"));
      answered = true;
    });
    let_others_run();
    EXPECT(!answered);
    for (const auto& conn : idle) EXPECT(!conn.close());
    done.wait();
  });
}

TEST_CASE("serve: an address in use is an error") {
  run_on(1, [] {
    const page page = served();
    const auto second = ringo::debug::serve(page.local().to_string());
    EXPECT(!second.has_value());
    EXPECT(second.error() == std::errc::address_in_use);
  });
}

TEST_CASE("http_request: parts are told apart") {
  const auto request = http_request::parse("GET /trace?a=1&seconds=7&b HTTP/1.0\r\nX: y\r\n\r\n");
  REQUIRE(request);
  CHECK(request->method == "GET");
  CHECK(request->path == "/trace");
  CHECK(request->number("seconds", 1, 60) == 7);
  CHECK(!request->number("seconds", 8, 60));
  CHECK(!request->number("seconds", 1, 6));
  CHECK(!request->number("b", 0, 60));
  CHECK(request->header("x") == "y");
  CHECK(request->header("y").empty());
  CHECK(request->has("b"));
  CHECK(!request->has("c"));
  for (const char* bad :
       {"", "GET", "GET /", "GET / HTTP/1.1 x", "GET x HTTP/1.1", " / HTTP/1.1"}) {
    CAPTURE(bad);
    CHECK(!http_request::parse(bad));
  }
}
