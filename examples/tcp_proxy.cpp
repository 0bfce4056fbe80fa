// A sidecar: accepts connections, dials the service behind for each, and copies both ways.
//
//   tcp_proxy LISTEN TARGET [DRAIN_SECONDS]      for instance: tcp_proxy :8443 127.0.0.1:8080
//
// A half-closed direction is passed on as such, so that protocols which end their request by
// closing it work. At SIGINT or SIGTERM it accepts no more and lets the connections go on for
// DRAIN_SECONDS (by default 10), then cuts them; status 1 if it had to.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <system_error>

#include <ringo/group/task_group.hpp>
#include <ringo/io/copy.hpp>
#include <ringo/net.hpp>
#include <ringo/os.hpp>
#include <ringo/ringo.hpp>

using namespace std::chrono_literals;

namespace {

constexpr auto dial_max = 5s;

/// Copies until the end of the stream, and passes that end on. An error ends the other direction
/// too: the group's context is done then.
std::error_code pass_on(const ringo::context& ctx,
                        const ringo::net::tcp_conn& from,
                        const ringo::net::tcp_conn& to) {
  const auto copied = ringo::io::copy(ctx, to, from);
  return copied.error ? copied.error : to.close_write();
}

void serve(const ringo::context& cut,
           const ringo::net::tcp_conn& client,
           const std::string& target) {
  const auto service = ringo::net::dial(cut, ringo::net::tcp, target, {.timeout = dial_max});
  if (!service) {
    std::fprintf(stderr, "tcp_proxy: %s: %s\n", target.c_str(), service.error().message().c_str());
    static_cast<void>(client.set_linger(0s));  // a reset tells the client more than an end
    return;
  }
  ringo::task_group both(cut);
  both.go([&] { return pass_on(both.ctx(), client, *service); });
  both.go([&] { return pass_on(both.ctx(), *service, client); });
  static_cast<void>(both.wait());
}

int serve_all(const std::string& address, const std::string& target, std::chrono::seconds drain) {
  const auto [stop, cancel] =
      ringo::os::signal::notify_context(ringo::background(), {SIGINT, SIGTERM});
  const auto listener = ringo::net::listen(ringo::net::tcp, address);
  if (!listener) {
    std::fprintf(
        stderr, "tcp_proxy: %s: %s\n", address.c_str(), listener.error().message().c_str());
    return 1;
  }
  std::printf("%s\n", listener->local().to_string().c_str());
  std::fflush(stdout);
  const auto [cut, cut_now] = ringo::with_cancel(ringo::background());
  ringo::wait_group connections;
  while (!stop.err()) {
    if (const auto client = listener->accept(stop)) {
      connections.go([cut = cut, client = *client, &target] { serve(cut, client, target); });
    } else if (!stop.err()) {  // out of descriptors, most likely: some will be free again soon
      static_cast<void>(ringo::sleep_for(stop, 5ms));
    }
  }
  static_cast<void>(listener->close());
  const auto [patience, enough] = ringo::with_timeout(ringo::background(), drain);
  const bool drained = !connections.wait(patience);
  enough();
  cut_now();
  connections.wait();
  return drained ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) {
    std::fputs("usage: tcp_proxy LISTEN TARGET [DRAIN_SECONDS]\n", stderr);
    return 1;
  }
  const std::chrono::seconds drain(argc == 4 ? std::max(0, std::atoi(argv[3])) : 10);
  return ringo::run([&] { return serve_all(argv[1], argv[2], drain); });
}
