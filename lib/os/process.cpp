#include <ringo/os/process.hpp>

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include <ringo/detail/cancellable.hpp>
#include <ringo/go.hpp>
#include <ringo/os/signal.hpp>

#include "os/child_process.hpp"
#include "os/spawn.hpp"
#include "sched/cancellation.hpp"

namespace ringo {
namespace detail {
namespace {

std::error_code last_error() noexcept {
  return {errno, std::system_category()};
}

/// A descriptor for a child, of a file of ours.
result<owned_fd> of_file(const io::file& from, std::size_t count) {
  result<owned_fd> made = std::make_error_code(std::errc::bad_file_descriptor);
  const auto failed = from.with_fd([&](int fd) { made = blocking_duplicate(fd, count); });
  if (failed) return failed;
  return made;
}

bool is_plain(const os::process_options& options) {
  const auto plain = [](const std::string& text) { return !has_zero_byte(text); };
  return plain(options.path) && plain(options.dir) &&
         std::all_of(options.args.begin(), options.args.end(), plain) &&
         (!options.env || std::all_of(options.env->begin(), options.env->end(), plain));
}

/// All but the descriptors. Takes what it needs out of the options.
result<spawn_plan> plan_of(os::process_options& options) {
  if (options.args.empty() || !is_plain(options)) {
    return std::make_error_code(std::errc::invalid_argument);
  }
  spawn_plan plan;
  plan.path = std::move(options.path);
  if (plan.path.empty()) {
    plan.path = options.args[0];
    if (plan.path.find('/') == std::string::npos) {
      auto found = os::look_path(plan.path);
      if (!found) return found.error();
      plan.path = *std::move(found);
    }
  } else if (plan.path.find('/') == std::string::npos) {
    plan.path.insert(0, "./");
  }
  plan.args = std::move(options.args);
  plan.env = without_duplicates(options.env ? *std::move(options.env) : os::environment());
  plan.dir = std::move(options.dir);
  return plan;
}

}  // namespace

/// The child's side of one standard stream, as a descriptor; and ours, if it is a pipe.
std::error_code child_handle::prepare_stream(
    int number, const os::stdio& wanted, spawn_plan& plan, std::size_t count, io::file& ours) {
  using kind = os::stdio::kind;
  result<owned_fd> made = std::make_error_code(std::errc::invalid_argument);
  switch (wanted.kind_) {
    case kind::null: {
      const owned_fd null(
          ::open("/dev/null", (number == 0 ? O_RDONLY : O_WRONLY) | O_CLOEXEC | O_NOCTTY));
      made = null.get() < 0 ? last_error() : duplicate_above(null.get(), count);
      break;
    }
    case kind::inherit: made = duplicate_above(number, count); break;
    case kind::file: made = of_file(wanted.file_, count); break;
    case kind::with_output:
      if (number == 2) made = duplicate_above(plan.numbers[1].get(), count);
      break;
    case kind::pipe: {
      int ends[2] = {-1, -1};  // NOLINT(modernize-avoid-c-arrays): as pipe2(2) wants it
      if (::pipe2(ends, O_CLOEXEC) != 0) return last_error();
      owned_fd reader(ends[0]);
      owned_fd writer(ends[1]);
      owned_fd& mine = number == 0 ? writer : reader;
      made = duplicate_above((number == 0 ? reader : writer).get(), count);
      auto opened = io::file::from_fd(mine.get());
      if (!opened) return opened.error();
      static_cast<void>(mine.release());
      ours = *std::move(opened);
      break;
    }
  }
  if (!made) return made.error();
  plan.numbers.push_back(*std::move(made));
  return {};
}

result<os::process> child_handle::start(const ringo::context* ctx, os::process_options options) {
  if (ctx != nullptr) {
    if (const auto error = code_if_done(cancellation_of(*ctx))) return error;
  }
  auto planned = plan_of(options);
  if (!planned) return planned.error();
  spawn_plan& plan = *planned;
  auto handle = std::make_shared<child_handle>();
  const std::size_t count = 3 + options.files.size();
  const os::stdio* const wanted[] = {&options.input, &options.output, &options.error_output};
  for (int i = 0; i < 3; ++i) {
    const auto error =
        prepare_stream(i, *wanted[i], plan, count, handle->streams[static_cast<std::size_t>(i)]);
    if (error) return error;
  }
  for (const io::file& file : options.files) {
    auto made = of_file(file, count);
    if (!made) return made.error();
    plan.numbers.push_back(*std::move(made));
  }
  const auto pid = spawn(plan);
  if (!pid) return pid.error();
  handle->child = std::make_shared<child_process>(*pid);
  if (ctx != nullptr && ctx->done()) watch(handle, *ctx, options);
  return os::process(std::move(handle));
}

/// The fiber keeps the process, but not our ends of its pipes.
void child_handle::watch(const std::shared_ptr<child_handle>& handle,
                         const ringo::context& ctx,
                         const os::process_options& options) {
  const auto end = [child = handle->child,
                    pipes = std::weak_ptr<child_handle>(handle),
                    ctx,
                    signal = options.cancel_signal,
                    delay = options.wait_delay] {
    if (!child->end(signal, ctx.err())) return;
    if (delay.count() <= 0) return;
    const bool is_over = static_cast<bool>(sleep_for(child->over(), delay));
    if (!is_over) static_cast<void>(child->kill(SIGKILL));
    if (const auto held = pipes.lock()) {
      // The input last: its end may end who keeps the others open, and what was cut off is not to
      // look like the end of the output.
      for (auto stream = held->streams.rbegin(); stream != held->streams.rend(); ++stream) {
        if (*stream) static_cast<void>(stream->close());
      }
    }
  };
  handle->unwatch = after_func(ctx, end);
}

}  // namespace detail

namespace os {
namespace {

const io::file no_file;

const std::error_code nil = std::make_error_code(std::errc::invalid_argument);

}  // namespace

std::string exit_status::text() const {
  if (signal_ == 0) return "exit status " + std::to_string(code_);
  return "signal: " + signal::name(signal_) + (dumped_core_ ? " (core dumped)" : "");
}

result<process> process::start(const context& ctx, process_options options) {
  return ringo::detail::child_handle::start(&ctx, std::move(options));
}

result<process> process::start(process_options options) {
  return ringo::detail::child_handle::start(nullptr, std::move(options));
}

int process::pid() const noexcept {
  return handle_ ? handle_->child->pid() : 0;
}

result<exit_status> process::wait(const context& ctx) const {
  if (!handle_) return nil;
  return handle_->wait(&ctx);
}

result<exit_status> process::wait() const {
  if (!handle_) return nil;
  return handle_->wait(nullptr);
}

std::error_code process::kill(int signal) const {
  return handle_ ? handle_->child->kill(signal) : nil;
}

const io::file& process::input() const noexcept {
  return handle_ ? handle_->streams[0] : no_file;
}
const io::file& process::output() const noexcept {
  return handle_ ? handle_->streams[1] : no_file;
}
const io::file& process::error_output() const noexcept {
  return handle_ ? handle_->streams[2] : no_file;
}

}  // namespace os
}  // namespace ringo
