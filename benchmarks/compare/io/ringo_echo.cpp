// The echo server in ringo: a fiber for each connection. Its engine is that of RINGO_ENGINE.

#include <array>
#include <cstddef>
#include <cstdio>

#include <ringo/net.hpp>
#include <ringo/ringo.hpp>

namespace {

void echo(const ringo::net::tcp_conn& conn) {
  std::array<std::byte, 1024> bytes;
  while (const auto size = conn.read(bytes)) {
    if (conn.write(std::span(bytes).first(*size))) return;
  }
}

int serve() {
  const auto listener = ringo::net::listen(ringo::net::tcp, "127.0.0.1:0");
  if (!listener) {
    std::fprintf(stderr, "listen: %s\n", listener.error().message().c_str());
    return 1;
  }
  std::printf("%d\n", int{listener->local().port()});
  std::fflush(stdout);
  for (;;) {
    const auto conn = listener->accept();
    if (!conn) {
      std::fprintf(stderr, "accept: %s\n", conn.error().message().c_str());
      return 1;
    }
    ringo::go(echo, *conn);
  }
}

}  // namespace

int main() {
  return ringo::run({.workers = 1}, serve);
}
