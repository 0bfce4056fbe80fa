#include "base/broken_pipe.hpp"

#include <cerrno>
#include <csignal>
#include <ctime>

#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/signal_action.hpp"

namespace ringo::detail {
namespace {

constexpr int rwf_nosignal = 0x100;  // RWF_NOSIGNAL, Linux 6.18; missing from older headers

ssize_t write_with_flag(int fd, const void* data, std::size_t size, int flag) noexcept {
  iovec piece{const_cast<void*>(data), size};
  return ::pwritev2(fd, &piece, 1, -1, flag);
}

bool flag_is_known() noexcept {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return false;
  const char byte = 0;
  const bool known = write_with_flag(ends[1], &byte, 1, rwf_nosignal) == 1;
  ::close(ends[0]);
  ::close(ends[1]);
  return known;
}

}  // namespace

int no_signal_flag() noexcept {
  static const int flag = flag_is_known() ? rwf_nosignal : 0;
  return flag;
}

// Not for ThreadSanitizer, this and call_masked(): they write errno, which the fibers of a thread
// share.
RINGO_NO_TSAN void tell_of_broken_pipe() noexcept {
  const int saved = errno;
  struct sigaction now {};
  const bool handled = change_action(SIGPIPE, nullptr, &now) == 0 && now.sa_handler != SIG_DFL &&
                       now.sa_handler != SIG_IGN;
  if (handled) ::syscall(SYS_tgkill, ::getpid(), ::syscall(SYS_gettid), SIGPIPE);
  errno = saved;
}

RINGO_NO_TSAN ssize_t call_masked(ssize_t (*call)(void* subject),
                                  void* subject,
                                  std::size_t size) noexcept {
  sigset_t pipe;
  sigset_t before;
  ::sigemptyset(&pipe);
  ::sigaddset(&pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe, &before);
  const ssize_t count = call(subject);
  if (::sigismember(&before, SIGPIPE) == 1) return count;  // whoever blocks it knows what he does
  const int saved = errno;
  const bool in_part = count > 0 && static_cast<std::size_t>(count) < size;
  if (in_part || (count < 0 && saved == EPIPE)) {
    // The signal is pending for this thread, which is looked at before the process.
    const std::timespec at_once{};
    while (::sigtimedwait(&pipe, nullptr, &at_once) < 0 && errno == EINTR) {
    }
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = saved;
  return count;
}

ssize_t write_masked(int fd, const void* data, std::size_t size) noexcept {
  const auto write = [&]() noexcept { return ::write(fd, data, size); };
  return call_masked([](void* of) { return (*static_cast<decltype(write)*>(of))(); },
                     const_cast<void*>(static_cast<const void*>(&write)),
                     size);
}

ssize_t write_unsignaled(int fd, const void* data, std::size_t size) noexcept {
  if (fd == STDOUT_FILENO || fd == STDERR_FILENO) return ::write(fd, data, size);
  ssize_t count = -1;
  if (const int flag = no_signal_flag(); flag != 0) {
    count = write_with_flag(fd, data, size, flag);
    // A device whose driver knows no flags, nor pipes' signals.
    if (count < 0 && errno == EOPNOTSUPP) count = ::write(fd, data, size);
  } else {
    count = write_masked(fd, data, size);
  }
  if (count < 0 && errno == EPIPE) tell_of_broken_pipe();
  return count;
}

}  // namespace ringo::detail
