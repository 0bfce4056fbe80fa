#pragma once

// What containers and limits do to io_uring, done to this process.

#include <cerrno>
#include <cstddef>
#include <string_view>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ringo::test {

/// A filter like those of container runtimes: io_uring_setup fails with `error`, all else is
/// allowed.
inline bool refuse_io_uring(int error) {
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

inline bool limit_locked_memory(rlim_t bytes) {
  const rlimit small{.rlim_cur = bytes, .rlim_max = bytes};
  return ::setrlimit(RLIMIT_MEMLOCK, &small) == 0;
}

/// The privilege to lock memory beyond the limit goes with the others of root. Each process becomes
/// a user of its own: the kernel counts locked memory for all processes of a user together, and
/// other tests, which need some too, run at the same time.
inline bool drop_privileges() {
  constexpr unsigned nobody = 65534;
  constexpr unsigned first_unused = 20'000;  // of those that no distribution gives to anybody
  if (::geteuid() != 0) return true;
  const unsigned user = first_unused + static_cast<unsigned>(::getpid()) % first_unused;
  return ::setgid(nobody) == 0 && ::setuid(user) == 0;
}

/// EPERM, ENOSYS, ENOMEM: what io_uring_setup fails with. memlock: 64 KiB, without privileges.
/// nothing. False: unknown, or it cannot be done here.
inline bool restrict_process(std::string_view how) {
  if (how == "EPERM") return refuse_io_uring(EPERM);
  if (how == "ENOSYS") return refuse_io_uring(ENOSYS);
  if (how == "ENOMEM") return refuse_io_uring(ENOMEM);
  if (how == "memlock") return limit_locked_memory(rlim_t{64} * 1024) && drop_privileges();
  return how == "nothing";
}

}  // namespace ringo::test
