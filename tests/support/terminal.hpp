#pragma once

// A terminal of its own, in blocking mode as a shell leaves it.

#include <doctest/doctest.h>

#include <array>
#include <cstdlib>

#include <fcntl.h>
#include <unistd.h>

namespace ringo::test {

class terminal {
 public:
  terminal() {
    CHECK(::grantpt(outside_) == 0);
    CHECK(::unlockpt(outside_) == 0);
    std::array<char, 64> name{};
    CHECK(::ptsname_r(outside_, name.data(), name.size()) == 0);
    inside_ = ::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(inside_ >= 0);
  }
  terminal(const terminal&) = delete;
  terminal& operator=(const terminal&) = delete;
  ~terminal() {
    ::close(inside_);
    ::close(outside_);
  }

  /// What the program reads and writes.
  int inside() const { return inside_; }
  /// What the user types and sees.
  int outside() const { return outside_; }

 private:
  int outside_ = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  int inside_ = -1;
};

}  // namespace ringo::test
