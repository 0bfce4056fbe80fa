// What calls on the streams of others leave as it was.

#include "io/shared_stream.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <unistd.h>

#include "support/terminal.hpp"

using namespace ringo::detail;
using ringo::test::terminal;

namespace {

struct blocking_pipe {
  int reader = -1;
  int writer = -1;
  blocking_pipe() {
    std::array<int, 2> fds{};
    CHECK(::pipe2(fds.data(), O_CLOEXEC) == 0);
    reader = fds[0];
    writer = fds[1];
  }
  blocking_pipe(const blocking_pipe&) = delete;
  blocking_pipe& operator=(const blocking_pipe&) = delete;
  ~blocking_pipe() {
    ::close(reader);
    ::close(writer);
  }
};

}  // namespace

TEST_CASE("shared_stream: a blocking pipe is read and written without blocking, and stays one") {
  const blocking_pipe pipe;
  std::string text(16, ' ');
  CHECK(read_shared(pipe.reader, text.data(), text.size()) == -1);
  CHECK(errno == EAGAIN);
  CHECK(write_shared(pipe.writer, "data", 4) == 4);
  CHECK(read_shared(pipe.reader, text.data(), text.size()) == 4);
  const std::string much(1'000'000, 'x');
  ssize_t written = 0;
  while ((written = write_shared(pipe.writer, much.data(), much.size())) > 0) {
  }
  CHECK(errno == EAGAIN);
  CHECK((::fcntl(pipe.reader, F_GETFL) & O_NONBLOCK) == 0);
  CHECK((::fcntl(pipe.writer, F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("NT-19: a shared pipe that nobody reads is EPIPE, and no signal") {
  const blocking_pipe pipe;
  ::close(pipe.reader);
  CHECK(write_shared(pipe.writer, "x", 1) == -1);
  CHECK(errno == EPIPE);
}

TEST_CASE("shared_stream: a terminal is asked before it is read") {
  const terminal tty;
  std::string text(16, ' ');
  CHECK(read_shared(tty.inside(), text.data(), text.size()) == -1);
  CHECK(errno == EAGAIN);
  CHECK(::write(tty.outside(), "hi\n", 3) == 3);
  CHECK(read_shared(tty.inside(), text.data(), text.size()) == 3);
  CHECK(write_shared(tty.inside(), "x", 1) == 1);
}

TEST_CASE("shared_stream: a terminal is opened anew, with a mode of its own") {
  const terminal tty;
  const int again = reopen_terminal(tty.inside());
  REQUIRE(again >= 0);
  CHECK((::fcntl(again, F_GETFL) & O_NONBLOCK) != 0);
  CHECK((::fcntl(again, F_GETFL) & O_ACCMODE) == O_RDWR);
  CHECK((::fcntl(again, F_GETFD) & FD_CLOEXEC) != 0);
  CHECK((::fcntl(tty.inside(), F_GETFL) & O_NONBLOCK) == 0);
  std::string text(16, ' ');
  CHECK(::write(again, "x", 1) == 1);
  CHECK(::read(tty.outside(), text.data(), text.size()) == 1);
  ::close(again);
  const blocking_pipe pipe;
  CHECK(reopen_terminal(pipe.reader) == -1);
  CHECK(reopen_terminal(-1) == -1);
}
