// Writing to a pipe that nobody reads.

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>

#include "base/broken_pipe.hpp"
#include "support/signals.hpp"

using namespace ringo::test;
using namespace ringo::detail;

namespace {

/// The write end of a pipe without a reader.
class broken_pipe {
 public:
  broken_pipe() {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    ::close(ends[0]);
    fd = ends[1];
  }
  broken_pipe(const broken_pipe&) = delete;
  broken_pipe& operator=(const broken_pipe&) = delete;
  ~broken_pipe() { ::close(fd); }

  int fd = -1;
};

using write_function = ssize_t (*)(int, const void*, std::size_t) noexcept;

bool is_pending(int signal) {
  sigset_t pending;
  ::sigpending(&pending);
  return ::sigismember(&pending, signal) == 1;
}

bool is_blocked(int signal) {
  sigset_t blocked;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  return ::sigismember(&blocked, signal) == 1;
}

}  // namespace

// After Go's TestEPIPE. SIGPIPE has its default action: had it come, there would be no test left.
TEST_CASE("NT-19: writing to a broken pipe fails with EPIPE, every time, and never kills") {
  const action_guard by_default(SIGPIPE, SIG_DFL);
  for (const write_function write : {&write_unsignaled, &write_masked}) {
    const broken_pipe pipe;
    for (int i = 0; i < 20; ++i) {
      errno = 0;
      CHECK(write(pipe.fd, "x", 1) == -1);
      CHECK(errno == EPIPE);
    }
    CHECK_FALSE(is_pending(SIGPIPE));
    CHECK_FALSE(is_blocked(SIGPIPE));
  }
}

TEST_CASE("NT-19: who has a handler for SIGPIPE gets it, whatever the descriptor") {
  const action_guard mine(SIGPIPE, &count_handled);
  handled = 0;
  const broken_pipe pipe;
  CHECK(write_unsignaled(pipe.fd, "x", 1) == -1);
  CHECK(errno == EPIPE);
  CHECK(handled == 1);
  const action_guard ignored(SIGPIPE, SIG_IGN);
  CHECK(write_unsignaled(pipe.fd, "x", 1) == -1);
  CHECK(errno == EPIPE);
  CHECK(handled == 1);
}

TEST_CASE("NT-19: the signal is taken back, too, from a call that has moved a part") {
  const action_guard by_default(SIGPIPE, SIG_DFL);
  const auto half = [](void*) -> ssize_t {
    ::raise(SIGPIPE);  // as sendfile(2) does when its second piece meets the broken pipe
    return 1;
  };
  CHECK(call_masked(half, nullptr, 2) == 1);
  CHECK_FALSE(is_pending(SIGPIPE));
  CHECK_FALSE(is_blocked(SIGPIPE));
}

TEST_CASE("NT-19: a caller that blocks SIGPIPE itself keeps it blocked") {
  const action_guard by_default(SIGPIPE, SIG_IGN);
  sigset_t pipe_signal;
  sigset_t before;
  ::sigemptyset(&pipe_signal);
  ::sigaddset(&pipe_signal, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  const broken_pipe pipe;
  CHECK(write_masked(pipe.fd, "x", 1) == -1);
  CHECK(errno == EPIPE);
  CHECK(is_blocked(SIGPIPE));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST_CASE("write_unsignaled: writes to pipes, files and devices as write(2) does") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  for (const write_function write : {&write_unsignaled, &write_masked}) {
    CHECK(write(ends[1], "abc", 3) == 3);
    char got[4] = {};
    CHECK(::read(ends[0], got, 4) == 3);
    CHECK(got[2] == 'c');
    const int event = ::eventfd(0, EFD_CLOEXEC);
    const std::uint64_t one = 1;
    CHECK(write(event, &one, sizeof one) == sizeof one);  // a device that knows no flags
    ::close(event);
    const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    CHECK(write(null, "abc", 3) == 3);
    ::close(null);
    CHECK(write(-1, "abc", 3) == -1);
    CHECK(errno == EBADF);
  }
  ::close(ends[0]);
  ::close(ends[1]);
}

// After Go's TestStdPipe. ThreadSanitizer does not support a fork of a program with threads.
TEST_CASE("NT-19: standard output and error die of SIGPIPE by default" *
          doctest::skip(RINGO_TSAN != 0)) {
  const action_guard by_default(SIGPIPE, SIG_DFL);
  for (const int fd : {1, 2, 3}) {
    for (void (*const action)(int) : {SIG_DFL, SIG_IGN, &count_handled}) {
      CAPTURE(fd);
      const broken_pipe pipe;
      const pid_t child = ::fork();
      if (child == 0) {
        const action_guard set(SIGPIPE, action);
        handled = 0;
        ::dup2(pipe.fd, fd);
        const bool failed = write_unsignaled(fd, "x", 1) == -1 && errno == EPIPE;
        ::_exit(failed ? 10 + handled.load() : 1);
      }
      int status = 0;
      ::waitpid(child, &status, 0);
      const bool dies = action == SIG_DFL && fd < 3;
      CHECK(WIFSIGNALED(status) == dies);
      if (dies) {
        CHECK(WTERMSIG(status) == SIGPIPE);
      } else {
        CHECK(WEXITSTATUS(status) == 10 + (action == &count_handled ? 1 : 0));
      }
    }
  }
}
