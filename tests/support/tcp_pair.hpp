#pragma once

// The two ends of a TCP connection over loopback.

#include <utility>

#include <ringo/net/tcp.hpp>
#include <ringo/task.hpp>

namespace ringo::test {

struct tcp_pair {
  net::tcp_conn dialled;
  net::tcp_conn accepted;

  explicit tcp_pair(const char* address = "127.0.0.1:0") {
    const auto listener = net::listen(net::tcp, address).value();
    auto dialler = ringo::spawn([&] { return net::dial(net::tcp, listener.local()).value(); });
    accepted = listener.accept().value();
    dialled = dialler.join();
  }
};

}  // namespace ringo::test
