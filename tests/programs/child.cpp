// What a child can tell about itself: the first argument names it. Uses nothing of ringo.

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace {

void print_descriptors() {
  for (int fd = 0; fd < 4'096; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) std::printf("%d ", fd);
  }
}

void print_blocking() {
  for (int fd = 0; fd < 3; ++fd) {
    std::printf("%s ", (::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 ? "non-blocking" : "blocking");
  }
}

/// Each file from 3 on gets its own number.
void write_numbers() {
  for (int fd = 3; ::fcntl(fd, F_GETFD) >= 0; ++fd) ::dprintf(fd, "%d", fd);
}

void print_signals() {
  sigset_t blocked;
  ::sigprocmask(SIG_SETMASK, nullptr, &blocked);
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    struct sigaction now {};
    if (::sigaction(signal, nullptr, &now) != 0) continue;
    if (now.sa_handler == SIG_IGN) std::printf("ignored:%d ", signal);
    if (::sigismember(&blocked, signal) == 1) std::printf("blocked:%d ", signal);
  }
}

void print_open_files_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  std::printf("%ju/%ju",
              static_cast<std::uintmax_t>(limit.rlim_cur),
              static_cast<std::uintmax_t>(limit.rlim_max));
}

/// Says "ready", and waits for signals. Ends with its parent in any case.
[[noreturn]] void stay(void (*on_term)(int)) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGTERM, on_term);
  ::dprintf(1, "ready\n");  // in one piece
  for (;;) ::pause();
}

/// The same, and exits with 0 on SIGTERM. Without a handler: ThreadSanitizer loses a signal now and
/// then that comes as pause() begins.
void end_well() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t term;
  ::sigemptyset(&term);
  ::sigaddset(&term, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &term, nullptr);
  ::dprintf(1, "ready\n");
  int signal = 0;
  ::sigwait(&term, &signal);
}

/// A grandchild keeps the pipes open. It goes when its input ends.
[[noreturn]] void leave_grandchild() {
  if (::fork() == 0) {
    char byte = 0;
    while (::read(0, &byte, 1) > 0) {
    }
    ::_exit(0);
  }
  stay(SIG_IGN);
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  if (argc < 2) return 1;
  const std::string_view what = argv[1];
  if (what == "exit") return std::atoi(argv[2]);
  if (what == "die") ::kill(::getpid(), std::atoi(argv[2]));
  if (what == "descriptors") print_descriptors();
  if (what == "blocking") print_blocking();
  if (what == "numbers") write_numbers();
  if (what == "signals") print_signals();
  if (what == "open_files") print_open_files_limit();
  if (what == "stay") stay(SIG_DFL);
  if (what == "stubborn") stay(SIG_IGN);
  if (what == "polite") end_well();
  if (what == "grandchild") leave_grandchild();
  return 0;
}
