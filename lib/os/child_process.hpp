#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <system_error>

#include <ringo/context.hpp>
#include <ringo/detail/spinlock.hpp>
#include <ringo/os/process.hpp>
#include <ringo/result.hpp>
#include <ringo/sync/mutex.hpp>

/// Two objects stand for a process. The child_handle is what the user's handles share: our ends of
/// the pipes, and the watch on the context. The child_process is the number itself; the watch keeps
/// it too, so that a context still ends a process that nobody has a handle of any more.
///
/// The number of a process may be given to another one as soon as the system has been asked how it
/// ended. So it is asked under `lock_`, and signals go by the pidfd, or under that lock.

namespace ringo::detail {

struct spawn_plan;

struct child_process {
  explicit child_process(int number);
  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;
  /// Reaps it if it has ended already.
  ~child_process();

  int pid() const noexcept { return pid_; }
  /// `ctx` may be null.
  result<os::exit_status> wait(const ringo::context* ctx);
  std::error_code kill(int signal) noexcept;
  /// Done once it has been reaped, or cannot be.
  const ringo::context& over() const noexcept { return over_.ctx; }
  /// Because the context of start() ended, with this code. False: it was reaped before.
  bool end(int signal, std::error_code why) noexcept;

  /// For tests: do as if the system had no pidfds.
  static void use_pidfds(bool use) noexcept;

 private:
  const int pid_;
  const cancellable_context over_;
  int pidfd_;            // -1: none, or not any more. Changed by the holder of turn_, under lock_
  mutex turn_;           // of those who wait
  bool waited_ = false;  // guarded by turn_
  spinlock lock_;
  bool gone_ RINGO_GUARDED_BY(lock_) = false;  // reaped, by us or, if not is_ours_, by others
  bool is_ours_ RINGO_GUARDED_BY(lock_) = true;
  os::exit_status status_ RINGO_GUARDED_BY(lock_);
  std::error_code ended_with_ RINGO_GUARDED_BY(lock_);

  enum class reaping : unsigned char { running, done, not_ours };
  reaping reap() noexcept;
  std::error_code send(int signal) noexcept RINGO_REQUIRES(lock_);
  std::error_code until_changed(const ringo::context* ctx, std::chrono::nanoseconds& nap) const;
};

struct child_handle {
  std::shared_ptr<child_process> child;
  // Input, output, error output; nil if no pipe. Immutable.
  std::array<io::file, 3> streams;
  stop_function unwatch;

  /// See process::start(); `ctx` may be null.
  static result<os::process> start(const ringo::context* ctx, os::process_options options);
  /// A stream that is null becomes a pipe: true.
  static bool replace_null(os::stdio& stream);
  /// See process::wait(); `ctx` may be null.
  result<os::exit_status> wait(const ringo::context* ctx);

 private:
  static std::error_code prepare_stream(
      int number, const os::stdio& wanted, spawn_plan& plan, std::size_t count, io::file& ours);
  static void watch(const std::shared_ptr<child_handle>& handle,
                    const ringo::context& ctx,
                    const os::process_options& options);
};

}  // namespace ringo::detail
