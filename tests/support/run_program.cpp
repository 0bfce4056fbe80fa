#include "run_program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include <ringo/detail/config.hpp>

namespace ringo::test {
namespace {

using clock = std::chrono::steady_clock;

[[noreturn]] void fail(int code, const std::string& what) {
  throw std::system_error(code, std::system_category(), what);
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& string : strings) result.push_back(string.data());
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> environment_with(const std::vector<std::string>& added) {
  std::vector<std::string> result = added;  // first: the first entry of a name is the one found
  for (char** entry = environ; *entry != nullptr; ++entry) result.emplace_back(*entry);
#if RINGO_TSAN
  // ThreadSanitizer waits a second at exit for late reports; these programs end many times a test.
  // And most of them end while their threads still run, which is no leak.
  const char* const options = std::getenv("TSAN_OPTIONS");
  result.insert(result.begin(),
                std::string("TSAN_OPTIONS=") + (options != nullptr ? options : "") +
                    ":atexit_sleep_ms=0:report_thread_leaks=0");
#endif
  return result;
}

pid_t spawn(const program& what, int output) {
  const std::string path = std::string(RINGO_PROGRAMS_DIR) + "/program_" + what.name;
  std::vector<std::string> arguments = {path};
  arguments.insert(arguments.end(), what.arguments.begin(), what.arguments.end());
  std::vector<std::string> environment = environment_with(what.environment);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  pid_t child = -1;
  const int error = posix_spawn(&child,
                                path.c_str(),
                                &actions,
                                nullptr,
                                pointers_to(arguments).data(),
                                pointers_to(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) fail(error, path);
  return child;
}

/// Reads until the last writer is gone. False: the time is over.
bool read_all(int input, clock::time_point deadline, std::string& text) {
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock::now());
    if (left.count() <= 0) return false;
    pollfd wanted{.fd = input, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&wanted, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno != EINTR) fail(errno, "poll");
    if (ready <= 0) continue;
    char buffer[4096];
    const ssize_t count = ::read(input, buffer, sizeof buffer);
    if (count == 0) return true;
    if (count > 0) text.append(buffer, static_cast<std::size_t>(count));
    if (count < 0 && errno != EINTR) fail(errno, "read");
  }
}

}  // namespace

bool program_result::exited_with(int code) const {
  return !timed_out && WIFEXITED(status) && WEXITSTATUS(status) == code;
}

bool program_result::killed_by(int signal) const {
  return !timed_out && WIFSIGNALED(status) && WTERMSIG(status) == signal;
}

program_result run_program(const program& what) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) fail(errno, "pipe2");
  const pid_t child = spawn(what, pipe[1]);
  ::close(pipe[1]);

  program_result result;
  result.timed_out = !read_all(pipe[0], clock::now() + what.timeout, result.output);
  ::close(pipe[0]);
  if (result.timed_out) ::kill(child, SIGKILL);
  while (::waitpid(child, &result.status, 0) < 0) {
    if (errno != EINTR) fail(errno, "waitpid");
  }
  return result;
}

}  // namespace ringo::test
