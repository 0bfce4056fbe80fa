// A TCP server that sends back what it gets, one fiber for each connection.
//
//   tcp_echo [ADDRESS]       by default :7007; prints where it listens, ends at SIGINT or SIGTERM

#include <array>
#include <cstddef>
#include <cstdio>
#include <string>

#include <ringo/net.hpp>
#include <ringo/os.hpp>
#include <ringo/ringo.hpp>

namespace {

void echo(const ringo::context& stop, const ringo::net::tcp_conn& conn) {
  std::array<std::byte, 1024> room;
  for (;;) {
    const auto count = conn.read(stop, room);
    if (!count || conn.write(stop, std::span(room).first(*count))) return;
  }
}

int serve(const std::string& address) {
  const auto [stop, cancel] =
      ringo::os::signal::notify_context(ringo::background(), {SIGINT, SIGTERM});
  const auto listener = ringo::net::listen(ringo::net::tcp, address);
  if (!listener) {
    std::fprintf(stderr, "tcp_echo: %s: %s\n", address.c_str(), listener.error().message().c_str());
    return 1;
  }
  std::printf("%s\n", listener->local().to_string().c_str());
  std::fflush(stdout);
  ringo::wait_group connections;
  while (!stop.err()) {
    if (const auto conn = listener->accept(stop)) {
      connections.go([stop = stop, conn = *conn] { echo(stop, conn); });
    } else if (!stop.err()) {  // out of descriptors, most likely: some will be free again soon
      static_cast<void>(ringo::sleep_for(stop, std::chrono::milliseconds(5)));
    }
  }
  connections.wait();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return ringo::run([&] { return serve(argc > 1 ? argv[1] : ":7007"); });
}
