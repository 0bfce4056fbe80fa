#pragma once

// The two ends of a connection of Unix sockets, and names for them.

#include <atomic>
#include <cstdlib>
#include <string>

#include <unistd.h>

#include <ringo/net/unix.hpp>

#include "temporary_directory.hpp"

namespace ringo::test {

/// A name without a file that no other test has.
inline std::string abstract_name() {
  static std::atomic<int> next{0};
  return "@ringo-test-" + std::to_string(::getpid()) + "-" + std::to_string(next++);
}

struct unix_pair {
  net::unix_conn dialled;
  net::unix_conn accepted;

  explicit unix_pair(net::unix_network network = net::unix_stream) {
    const auto name = abstract_name();
    const auto listener = net::listen(network, name).value();
    dialled = net::dial(network, name).value();
    accepted = listener.accept().value();
  }
};

}  // namespace ringo::test
