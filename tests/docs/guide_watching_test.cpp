// The code of docs/guide/watching.md; see guide_test.cpp.

#include <doctest/doctest.h>

#include <cstdio>
#include <string>
#include <system_error>

#include <ringo/debug.hpp>
#include <ringo/io/file.hpp>
#include <ringo/ringo.hpp>

#include "support/run_on.hpp"
#include "support/temporary_directory.hpp"

using namespace ringo::test;

TEST_CASE("watching: numbers") {
  run_on(2, [] {
    // [stats]
    const ringo::statistics now = ringo::stats();
    std::printf("%zu fibers, %zu of them ready; %llu completions in %llu calls\n",
                now.fibers,
                now.runnable,
                static_cast<unsigned long long>(now.completions),
                static_cast<unsigned long long>(now.engine_calls));
    // [stats]
    EXPECT(now.fibers == 1);
  });
}

TEST_CASE("watching: numbers for Prometheus") {
  run_on(2, [] {
    // [prometheus]
    const std::string body = ringo::debug::prometheus();
    const std::string head =
        "HTTP/1.1 200 OK\r\n"
        "Content-Type: text/plain; version=0.0.4\r\n"
        "Content-Length: " +
        std::to_string(body.size()) + "\r\n\r\n";
    // [prometheus]
    EXPECT(head.ends_with("\r\n\r\n"));
    EXPECT(body.find("ringo_fibers{state=\"running\"} 1\n") != std::string::npos);
  });
}

namespace {

void work() {
  ringo::wait_group done;
  for (int i = 0; i < 3; ++i) done.go([] { ringo::yield(); });
  done.wait();
}

std::error_code trace_work(const std::string& path) {
  // [trace]
  std::error_code error = ringo::debug::set_trace(path);
  if (error) return error;
  work();
  return ringo::debug::set_trace("");  // the file is complete when this returns
  // [trace]
}

std::error_code serve_meanwhile() {
  // [page]
  const auto page = ringo::debug::serve("127.0.0.1:6060");
  if (!page) return page.error();
  // [page]
  work();
  return {};
}

}  // namespace

TEST_CASE("watching: a page") {
  run_on(2, [] {
    const auto error = serve_meanwhile();
    // Somebody else may be there.
    EXPECT((!error || error == std::errc::address_in_use));
  });
}

TEST_CASE("watching: a trace") {
  const temporary_directory directory;
  const std::string path = directory.path("trace.json");
  run_on(2, [&] {
    EXPECT(!trace_work(path));
    EXPECT(ringo::io::read_file(path).value().ends_with("]\n"));
  });
}
