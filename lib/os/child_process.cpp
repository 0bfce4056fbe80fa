#include "os/child_process.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <utility>

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ringo/go.hpp>
#include <ringo/io/wait_fd.hpp>

namespace ringo::detail {
namespace {

using namespace std::chrono_literals;

constexpr auto nap_max = std::chrono::nanoseconds(10ms);

std::atomic<bool> pidfds_used{true};  // atomic: tests change it

std::error_code last_error() noexcept {
  return {errno, std::system_category()};
}

/// Closed on exec. The child cannot have been reaped yet, unless somebody reaps them all.
int open_pidfd(int pid) noexcept {
  if (!pidfds_used.load()) return -1;
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

}  // namespace

child_process::child_process(int number)
    : pid_(number), over_(with_cancel(background())), pidfd_(open_pidfd(number)) {}

child_process::~child_process() {
  if (reap() == reaping::running && pidfd_ >= 0) ::close(pidfd_);
}

void child_process::use_pidfds(bool use) noexcept {
  pidfds_used.store(use);
}

child_process::reaping child_process::reap() noexcept {
  const spin_guard guard(lock_);
  if (gone_) return is_ours_ ? reaping::done : reaping::not_ours;
  constexpr auto by_pidfd = static_cast<idtype_t>(3);  // P_PIDFD, Linux 5.4
  siginfo_t info{};
  int failed = -1;
  if (pidfd_ >= 0) {
    failed = ::waitid(by_pidfd, static_cast<id_t>(pidfd_), &info, WEXITED | WNOHANG);
  }
  if (pidfd_ < 0 || (failed != 0 && errno == EINVAL)) {
    failed = ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG);
  }
  if (failed == 0 && info.si_pid == 0) return reaping::running;
  gone_ = true;
  is_ours_ = failed == 0;
  if (pidfd_ >= 0) ::close(std::exchange(pidfd_, -1));
  if (!is_ours_) return reaping::not_ours;
  if (info.si_code == CLD_EXITED) {
    status_.code_ = info.si_status;
  } else {
    status_.signal_ = info.si_status;
    status_.dumped_core_ = info.si_code == CLD_DUMPED;
  }
  return reaping::done;
}

/// Waits for a reason to look again.
std::error_code child_process::until_changed(const ringo::context* ctx,
                                             std::chrono::nanoseconds& nap) const {
  if (pidfd_ >= 0) {
    return ctx != nullptr ? io::wait_fd(*ctx, pidfd_, io::readable).error()
                          : io::wait_fd(pidfd_, io::readable).error();
  }
  nap = std::min(nap * 2, nap_max);
  if (ctx != nullptr) return sleep_for(*ctx, nap);
  sleep_for(nap);
  return {};
}

result<os::exit_status> child_process::wait(const ringo::context* ctx) {
  std::unique_lock<mutex> turn(turn_, std::defer_lock);
  if (ctx == nullptr) {
    turn.lock();
  } else {
    if (const auto error = turn_.lock(*ctx)) return error;
    turn = std::unique_lock<mutex>(turn_, std::adopt_lock);
  }
  if (waited_) return std::make_error_code(std::errc::no_child_process);
  std::chrono::nanoseconds nap = 50us;
  for (;;) {
    const reaping state = reap();
    if (state != reaping::running) {
      waited_ = true;
      over_.cancel();
      if (state == reaping::not_ours) return std::make_error_code(std::errc::no_child_process);
      break;
    }
    if (const auto error = until_changed(ctx, nap)) return error;
  }
  const spin_guard guard(lock_);
  if (status_.success() && ended_with_) return ended_with_;
  return status_;
}

std::error_code child_process::kill(int signal) noexcept {
  const spin_guard guard(lock_);
  return send(signal);
}

std::error_code child_process::send(int signal) noexcept {
  if (gone_) return std::make_error_code(std::errc::no_such_process);
  // By the pidfd: somebody may have reaped it behind our back.
  long failed = -1;
  if (pidfd_ >= 0) failed = ::syscall(SYS_pidfd_send_signal, pidfd_, signal, nullptr, 0);
  if (pidfd_ < 0 || (failed != 0 && errno == ENOSYS)) failed = ::kill(pid_, signal);
  return failed != 0 ? last_error() : std::error_code{};
}

bool child_process::end(int signal, std::error_code why) noexcept {
  const spin_guard guard(lock_);
  if (send(signal)) return false;
  ended_with_ = why;
  return true;
}

result<os::exit_status> child_handle::wait(const ringo::context* ctx) {
  auto status = child->wait(ctx);
  // There is nothing left to end. (Also when somebody else has had the status.)
  if (child->over().err()) unwatch();
  return status;
}

}  // namespace ringo::detail
