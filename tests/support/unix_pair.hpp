#pragma once

// The two ends of a connection of Unix sockets, and names for them.

#include <atomic>
#include <cstdlib>
#include <string>
#include <vector>

#include <unistd.h>

#include <ringo/net/unix.hpp>

namespace ringo::test {

/// A name without a file that no other test has.
inline std::string abstract_name() {
  static std::atomic<int> next{0};
  return "@ringo-test-" + std::to_string(::getpid()) + "-" + std::to_string(next++);
}

/// A directory that goes with all that is in it, as long as that is files.
class temporary_directory {
 public:
  temporary_directory() {
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
  }
  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;
  ~temporary_directory() {
    for (const auto& file : files_) ::unlink(file.c_str());
    ::rmdir(path_.c_str());
  }
  std::string file(const std::string& name) { return files_.emplace_back(path_ + "/" + name); }

 private:
  std::string path_ = "/tmp/ringo-test-XXXXXX";
  std::vector<std::string> files_;
};

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
