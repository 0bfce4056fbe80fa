// Files of every kind; see pipe_test.cpp for those that can be waited for.

#include <ringo/io/file.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include <ringo/ringo.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"

using namespace ringo::test;
using ringo::io::file;

namespace {

file temporary() {
  std::string path = "/tmp/ringo-file-XXXXXX";
  auto made = file::from_fd(::mkstemp(path.data()));
  ::unlink(path.c_str());
  EXPECT(made.has_value());
  return *std::move(made);
}

}  // namespace

TEST_CASE("NT-35: regular files have no deadlines") {
  run_on_each([] {
    const file f = temporary();
    EXPECT(f.set_deadline({}) == std::errc::operation_not_supported);
    EXPECT(f.set_read_deadline({}) == std::errc::operation_not_supported);
    EXPECT(f.set_write_deadline({}) == std::errc::operation_not_supported);
    EXPECT(!f.close());
    EXPECT(f.set_deadline({}) == ringo::errc::closed);
  });
}
