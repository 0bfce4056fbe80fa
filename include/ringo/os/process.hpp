#pragma once

#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <ringo/context.hpp>
#include <ringo/io/file.hpp>
#include <ringo/result.hpp>

namespace ringo::detail {

struct child_process;
struct child_handle;

}  // namespace ringo::detail

namespace ringo::os {

/// How a process ended. A value.
class exit_status {
 public:
  exit_status() = default;

  /// It exited with 0.
  bool success() const noexcept { return code_ == 0 && signal_ == 0; }
  /// What it gave to exit(); -1 if a signal ended it.
  int code() const noexcept { return signal_ == 0 ? code_ : -1; }
  /// The signal that ended it; 0 if it exited.
  int signal() const noexcept { return signal_; }
  bool dumped_core() const noexcept { return dumped_core_; }
  /// "exit status 3", "signal: SIGKILL", "signal: SIGABRT (core dumped)".
  std::string text() const;

  friend bool operator==(const exit_status&, const exit_status&) = default;

 private:
  int code_ = 0;
  int signal_ = 0;
  bool dumped_core_ = false;

  friend struct ringo::detail::child_process;
};

/// What one of the three standard streams of a child is. A value.
class stdio {
 public:
  /// /dev/null, as by null().
  stdio() = default;
  /// This file: the child gets a descriptor of its own; ours stays as it is, and open. A pipe or
  /// terminal that is non-blocking here blocks there; a socket does not.
  stdio(io::file from)  // NOLINT(google-explicit-constructor): a file is a stream
      : kind_(kind::file), file_(std::move(from)) {}

  /// /dev/null: reads find the end, writes vanish.
  static stdio null() { return {}; }
  /// The same as this process's stream of that number.
  static stdio inherit() { return stdio(kind::inherit); }
  /// A new pipe; process::input() and its like are our end.
  static stdio pipe() { return stdio(kind::pipe); }
  /// For the error output only: the same as the child's standard output.
  static stdio with_output() { return stdio(kind::with_output); }

 private:
  enum class kind : unsigned char { null, inherit, pipe, with_output, file };

  kind kind_ = kind::null;
  io::file file_;

  explicit stdio(kind what) noexcept : kind_(what) {}
  friend struct ringo::detail::child_handle;
};

/// What process::start() starts: `{.args = {"sort", "-r"}, .output = stdio::pipe()}`.
struct process_options {
  /// The program's arguments; the first is its name.
  std::vector<std::string> args;
  /// Which file to run; empty: what look_path() finds for args[0]. A path with a slash that is not
  /// absolute is taken from `dir`.
  std::string path = {};
  /// "NAME=value"; of several entries of one name the last one holds. Not set: this process's.
  std::optional<std::vector<std::string>> env = {};
  /// The working directory; empty: this process's.
  std::string dir = {};
  stdio input = {};
  stdio output = {};
  stdio error_output = {};
  /// Become descriptors 3, 4 and so on, as stdio(file) does.
  std::vector<io::file> files = {};
  /// Sent when the context of start() ends.
  int cancel_signal = SIGKILL;
  /// So long after `cancel_signal` the process is killed if it still runs, and our ends of its
  /// pipes are closed, whoever else may have the others. Zero: never.
  std::chrono::nanoseconds wait_delay = std::chrono::nanoseconds(0);
};

/// A process that this one has started: Go's exec.Cmd, once started. A handle: copies mean the same
/// process; a default-constructed one is nil, and whatever is asked of it fails with
/// std::errc::invalid_argument. The last handle gone closes our ends of its pipes, and no more: the
/// process goes on. When it ends and nobody waits for it, the system keeps its entry until this
/// program ends.
///
/// Calls block only the fiber, or the plain thread. Members are thread-safe, but for assigning to
/// one handle while another thread uses that same handle. No member throws, but for std::bad_alloc
/// and panics.
class process {
 public:
  process() = default;

  /// Starts a program. Returns when it runs: what keeps it from running is the error (ENOENT,
  /// EACCES, ENOEXEC, E2BIG, EAGAIN, that of a missing `dir`). EINVAL for no arguments, or a zero
  /// byte in any text; what io::file says for a file that is closed.
  ///
  /// The child has the three streams, `files`, and no other descriptor, whatever else this process
  /// has open, is opening or starts meanwhile. It inherits the signal mask of the calling thread
  /// and what is ignored; no handlers. A process without streams to wait for costs one descriptor
  /// here, until it is waited for.
  ///
  /// With a context the process gets `cancel_signal` when that ends; a done one starts nothing and
  /// its err() is returned. That needs a running runtime. Panics "nil context".
  ///
  /// Blocks the thread, inside blocking(), until the child has begun; about a millisecond.
  /// Source: posix_spawn(3); Go's exec.CommandContext and Start.
  static result<process> start(const context& ctx, process_options options);
  static result<process> start(process_options options);

  /// False: nil.
  explicit operator bool() const noexcept { return handle_ != nullptr; }

  /// The number of the process; 0: nil.
  int pid() const noexcept;

  /// Waits until the process has ended, and tells how. Whatever is in its pipes stays there, and so
  /// do their ends: read them to the end before or after, but beware of a child that cannot end
  /// because nobody reads. Only the first wait that succeeds gets the status; later ones, and any
  /// if the program reaps its children elsewhere, fail with std::errc::no_child_process. With a
  /// context it gives up with ctx.err(), at once if that is done on entry, and may be called again.
  ///
  /// When the context of start() ended it and it exited with 0 all the same, the error is that
  /// context's err().
  ///
  /// Needs pidfd_open(2), Linux 5.3; without it wait() looks every 10 ms at most.
  /// Source: Go's Cmd.Wait.
  result<exit_status> wait(const context& ctx) const;
  result<exit_status> wait() const;

  /// Sends a signal. std::errc::no_such_process once it was waited for. Never blocks.
  [[nodiscard]] std::error_code kill(int signal = SIGKILL) const;

  /// Our end of the pipe to its standard input: close it to end that. Nil if it is no pipe.
  const io::file& input() const noexcept;
  /// Our end of the pipe from its standard output, likewise.
  const io::file& output() const noexcept;
  /// Our end of the pipe from its standard error, likewise.
  const io::file& error_output() const noexcept;

 private:
  std::shared_ptr<ringo::detail::child_handle> handle_;

  explicit process(std::shared_ptr<ringo::detail::child_handle> handle) noexcept
      : handle_(std::move(handle)) {}
  friend struct ringo::detail::child_handle;
};

/// The file that `name` runs: `name` itself if there is a slash in it; else the first executable of
/// that name in the directories of PATH (its relative ones are passed over, as Go does). ENOENT;
/// EACCES if there are only ones that may not be run. Source: Go's exec.LookPath.
result<std::string> look_path(const std::string& name);

/// This process's environment, for process_options::env. Not to be called while another thread
/// changes it.
std::vector<std::string> environment();

}  // namespace ringo::os
