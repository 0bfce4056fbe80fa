// Runs under a policy or limit that refuses io_uring, as containers do. Arguments: what to refuse
// (EPERM, ENOSYS, memlock, nothing). Prints "worked" when fibers, timers and wake-ups worked.

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string_view>
#include <thread>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ringo/chan.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/task.hpp>

namespace {

/// A filter like those of container runtimes: io_uring_setup fails with `error`, all else is
/// allowed.
bool refuse_io_uring(int error) {
  sock_filter instructions[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K,
               SECCOMP_RET_ERRNO | (static_cast<unsigned>(error) & SECCOMP_RET_DATA)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{.len = sizeof instructions / sizeof *instructions, .filter = instructions};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

bool apply(std::string_view what) {
  if (what == "EPERM") return refuse_io_uring(EPERM);
  if (what == "ENOSYS") return refuse_io_uring(ENOSYS);
  if (what == "ENOMEM") return refuse_io_uring(ENOMEM);
  if (what == "memlock") {
    const rlimit small{.rlim_cur = 16 * 1024, .rlim_max = 16 * 1024};
    return ::setrlimit(RLIMIT_MEMLOCK, &small) == 0;
  }
  return what == "nothing";
}

int use_it() {
  auto ch = ringo::make_chan<int>();
  std::thread thread([ch]() mutable {
    for (int i = 0; i < 100; ++i) ch.send(i);  // wakes workers that sleep in their engines
  });
  int sum = 0;
  for (int i = 0; i < 100; ++i) sum += *ch.recv();
  thread.join();
  ringo::sleep_for(                   // tidy: real time: what is tested is the clock of an engine
      std::chrono::milliseconds(5));  // tidy: real time: a deadline of the engine's wait
  return sum + ringo::spawn([] { return 50; }).join();
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  if (argc != 2) return 1;
  if (!apply(argv[1])) {
    std::puts("cannot be refused here");
    return 77;
  }
  try {
    std::printf("worked %d\n", ringo::run(use_it));
  } catch (const ringo::panic_error& panic) {
    std::printf("panic: %s\n", panic.what());
    return 3;
  }
}
