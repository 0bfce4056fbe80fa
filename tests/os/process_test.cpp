// Starting processes, their streams and how they end; contexts are in process_context_test.cpp.

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <ringo/error.hpp>
#include <ringo/io/pipe.hpp>
#include <ringo/os/process.hpp>
#include <ringo/os/signal.hpp>
#include <ringo/sync/wait_group.hpp>

#include "os/child_process.hpp"
#include "support/children.hpp"
#include "support/run_on.hpp"
#include "support/run_program.hpp"
#include "support/signals.hpp"
#include "support/sizes.hpp"

using namespace ringo::test;
using ringo::os::process;
using ringo::os::stdio;

namespace {

/// Without those of workers, of which there may be more at any time.
std::size_t open_descriptors() {
  std::size_t count = 0;
  for (int fd = 0; fd < 4'096; ++fd) {
    std::error_code none;
    const auto what = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), none);
    if (none) continue;
    const std::string name = what.string();
    count += name.find("eventfd") == std::string::npos &&
                     name.find("eventpoll") == std::string::npos &&
                     name.find("io_uring") == std::string::npos
                 ? 1
                 : 0;
  }
  return count;
}

class without_pidfds {
 public:
  without_pidfds() { ringo::detail::child_process::use_pidfds(false); }
  without_pidfds(const without_pidfds&) = delete;
  without_pidfds& operator=(const without_pidfds&) = delete;
  ~without_pidfds() { ringo::detail::child_process::use_pidfds(true); }
};

void check_ends() {
  struct row {
    std::vector<std::string> args;
    int code;
    int signal;
    const char* text;
  };
  const row rows[] = {{child_args({"exit", "0"}), 0, 0, "exit status 0"},
                      {child_args({"exit", "42"}), 42, 0, "exit status 42"},
                      {child_args({"exit", "255"}), 255, 0, "exit status 255"},
                      {child_args({"die", "15"}), -1, SIGTERM, "signal: SIGTERM"},
                      {child_args({"die", "9"}), -1, SIGKILL, "signal: SIGKILL"}};
  for (const row& one : rows) {
    const auto child = process::start({.args = one.args});
    EXPECT(child.has_value());
    EXPECT(child->pid() > 0);
    const auto status = child->wait();
    EXPECT(status.has_value());
    if (!status) continue;
    EXPECT_EQ(status->code(), one.code);
    EXPECT_EQ(status->signal(), one.signal);
    EXPECT_EQ(status->text(), std::string(one.text));
    EXPECT_EQ(status->success(), one.code == 0);
    EXPECT(child->wait().error() == std::errc::no_child_process);
    EXPECT(child->kill() == std::errc::no_such_process);
  }
}

}  // namespace

// After Go's TestExitStatus, TestExitCode.
TEST_CASE("NT-39: wait tells the exit status or the signal, once") {
  run_freely_on_each([] { check_ends(); });
}

TEST_CASE("NT-39: the same where the system has no pidfds, and from plain threads") {
  const without_pidfds old_system;
  run_freely_on_each([] { check_ends(); });
  check_ends();
  failure_log::instance().report();
}

TEST_CASE("NT-39: a wait in a program whose children leave no status says so") {
  const action_guard reaped(SIGCHLD, SIG_IGN);
  run_freely_on_each([] {
    const auto child = process::start({.args = {"true"}});
    EXPECT(child->wait().error() == std::errc::no_child_process);
    EXPECT(child->kill() == std::errc::no_such_process);
  });
}

TEST_CASE("NT-39: a nil process has nothing to tell, copies mean the same one") {
  const process nil;
  CHECK_FALSE(nil);
  CHECK(nil.pid() == 0);
  CHECK((nil.wait().error() == std::errc::invalid_argument));
  CHECK((nil.kill() == std::errc::invalid_argument));
  CHECK_FALSE(nil.output());
  run_freely_on_each([] {
    const auto child = process::start({.args = {"true"}});
    process copy;
    copy = *child;
    EXPECT(copy.wait().has_value());
    EXPECT(child->wait().error() == std::errc::no_child_process);
  });
}

// After Go's TestEcho and TestCatStdin.
TEST_CASE("NT-39: the streams are /dev/null unless something else is asked for") {
  run_freely_on_each([] {
    const auto child = process::start({.args = {"sh", "-c", "cat; echo out; echo err >&2"}});
    EXPECT(child.has_value());
    EXPECT(!child->input());
    EXPECT(!child->output());
    EXPECT(child->wait()->success());
    EXPECT_EQ(output_of({.args = {"echo", "hello,", "world"}}), std::string("hello, world\n"));
  });
}

// After Go's TestPipes.
TEST_CASE("NT-40: pipes carry the three streams") {
  run_freely_on_each([] {
    const auto child = process::start({.args = {"sh", "-c", "cat; echo problem >&2"},
                                       .input = stdio::pipe(),
                                       .output = stdio::pipe(),
                                       .error_output = stdio::pipe()});
    EXPECT(!child->input().write("first\n"));
    std::string line(6, ' ');
    EXPECT_EQ(child->output().read(line).value_or(0), 6U);
    EXPECT_EQ(line, std::string("first\n"));
    EXPECT(!child->input().write("second\n"));
    EXPECT(!child->input().close());
    EXPECT_EQ(read_all(child->output()), std::string("second\n"));
    EXPECT_EQ(read_all(child->error_output()), std::string("problem\n"));
    EXPECT(child->wait()->success());
  });
}

TEST_CASE("NT-40: the error output may be the standard output") {
  run_freely_on_each([] {
    EXPECT_EQ(output_of({.args = {"sh", "-c", "echo a; echo b >&2; echo c"},
                         .error_output = stdio::with_output()}),
              std::string("a\nb\nc\n"));
  });
}

// After Go's TestIgnorePipeErrorOnSuccess: the child ends without reading.
TEST_CASE("NT-40: 10 MB for a child that reads nothing do not hurt it") {
  const action_guard by_default(SIGPIPE, SIG_DFL);
  const std::string much(10 << 20, 'x');
  run_freely_on_each([&] {
    const auto child =
        process::start({.args = {"echo", "done"}, .input = stdio::pipe(), .output = stdio::pipe()});
    ringo::wait_group feeding;
    feeding.go([&] { EXPECT(child->input().write(much) == std::errc::broken_pipe); });
    EXPECT(child->wait()->success());
    feeding.wait();
    EXPECT_EQ(read_all(child->output()), std::string("done\n"));  // after wait()
  });
}

// After Go's TestStdinClose and TestStdinCloseRace.
TEST_CASE("NT-40: the input may be closed while others wait for the end") {
  run_freely_on_each([] {
    for (int i = 0; i < 5; ++i) {
      const auto child = process::start({.args = {"cat"}, .input = stdio::pipe()});
      ringo::wait_group group;
      group.go([&] { EXPECT(!child->input().close()); });
      group.go([&] { static_cast<void>(child->kill()); });
      EXPECT(child->wait().has_value());
      group.wait();
    }
  });
}

TEST_CASE("NT-40: the last handle gone closes the pipes") {
  run_freely_on_each([] {
    auto marks = *ringo::io::pipe();
    // sh ends when its input does, and so does the mark's writer.
    static_cast<void>(
        process::start({.args = {"cat"}, .input = stdio::pipe(), .output = stdio(marks.writer)}));
    EXPECT(!marks.writer.close());
    EXPECT_EQ(read_all(marks.reader), std::string());
  });
}

TEST_CASE("NT-39: what keeps a program from running is start's error") {
  const auto directory =
      std::filesystem::temp_directory_path() / ("ringo-process-" + std::to_string(::getpid()));
  std::filesystem::create_directory(directory);
  const std::string text = directory / "text";
  const int file = ::open(text.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  REQUIRE(::write(file, "no program", 10) == 10);
  run_freely_on_each([&] {
    const std::size_t before = open_descriptors();
    const auto error_of = [](ringo::os::process_options options) {
      options.input = stdio::pipe();
      return process::start(std::move(options)).error();
    };
    EXPECT(error_of({.args = {"no-such-program-here"}}) == std::errc::no_such_file_or_directory);
    EXPECT(error_of({.args = {"/no/such/file"}}) == std::errc::no_such_file_or_directory);
    EXPECT(error_of({.args = {"true"}, .dir = "/no/such/directory"}) ==
           std::errc::no_such_file_or_directory);
    EXPECT(error_of({.args = {text}}) == std::errc::permission_denied);
    EXPECT(error_of({.args = {}}) == std::errc::invalid_argument);
    EXPECT(error_of({.args = {"echo", std::string("a\0b", 3)}}) == std::errc::invalid_argument);
    EXPECT(error_of({.args = {"echo"}, .env = {{std::string("A=\0", 3)}}}) ==
           std::errc::invalid_argument);
    EXPECT(error_of({.args = {"echo"}, .dir = std::string("/\0", 2)}) ==
           std::errc::invalid_argument);
    auto ends = *ringo::io::pipe();
    EXPECT(!ends.writer.close());
    EXPECT(error_of({.args = {"echo"}, .output = ends.writer}) == ringo::errc::closed);
    EXPECT(error_of({.args = {"echo"}, .output = stdio::with_output()}) ==
           std::errc::invalid_argument);
    ends = {};
    EXPECT_EQ(open_descriptors(), before);
  });
  ::fchmod(file, 0700);
  ::close(file);
  CHECK((process::start({.args = {text}}).error() == std::errc::executable_format_error));
  std::filesystem::remove_all(directory);
}

TEST_CASE("look_path: finds what PATH has, and no relative directory") {
  CHECK(ringo::os::look_path("sh").value().find("/sh") != std::string::npos);
  CHECK(ringo::os::look_path("/bin/sh").value() == "/bin/sh");
  CHECK((ringo::os::look_path("").error() == std::errc::no_such_file_or_directory));
  const std::string before = std::getenv("PATH");
  ::setenv("PATH", ".::/etc:/no/such", 1);
  CHECK((ringo::os::look_path("sh").error() == std::errc::no_such_file_or_directory));
  CHECK((ringo::os::look_path("passwd").error() == std::errc::permission_denied));
  ::setenv("PATH", before.c_str(), 1);
}

// After Go's TestDedupEnvEcho and TestEnvNULCharacter.
TEST_CASE("NT-42: the last entry of a name holds, and nothing else is inherited") {
  run_freely_on_each([] {
    EXPECT_EQ(output_of({.args = {"env"},
                         .path = "/usr/bin/env",
                         .env = {{"A=1", "B=2", "A=3", "odd", "", "=C=4", "=C=5"}}}),
              std::string("B=2\nA=3\nodd\n=C=5\n"));
    EXPECT_EQ(output_of({.args = {"sh", "-c", "echo $FOO"}, .env = {{"FOO=bad", "FOO=good"}}}),
              std::string("good\n"));
    EXPECT_EQ(output_of({.args = {"pwd"}, .dir = "/usr"}), std::string("/usr\n"));
    EXPECT_EQ(output_of({.args = {"sh", "-c", "./env echo x"}, .dir = "/usr/bin"}),
              std::string("x\n"));
    auto env = ringo::os::environment();
    env.emplace_back("RINGO_MARK=here");
    EXPECT_EQ(output_of({.args = {"sh", "-c", "echo $RINGO_MARK"}, .env = env}),
              std::string("here\n"));
  });
}

// After Go's TestExtraFilesRace: what other fibers open meanwhile must not leak either.
TEST_CASE("NT-42: a child has the given descriptors and no others") {
  std::vector<int> sockets(100);
  for (int& fd : sockets) fd = ::socket(AF_UNIX, SOCK_STREAM, 0);  // inheritable
  run_freely_on_each([] {
    ringo::wait_group group;
    for (int i = 0; i < 8; ++i) {
      group.go([] {
        for (int k = 0; k < 3; ++k) {
          EXPECT_EQ(output_of({.args = child_args({"descriptors"})}), std::string("0 1 2 "));
        }
      });
    }
    group.wait();
  });
  for (const int fd : sockets) ::close(fd);
}

// After Go's TestExtraFiles and TestExtraFilesFDShuffle.
TEST_CASE("NT-42: further files become 3, 4 and so on, whatever their numbers are here") {
  run_freely_on_each([] {
    std::vector<ringo::io::pipe_ends> pipes(4);
    for (auto& ends : pipes) ends = *ringo::io::pipe();
    std::vector<ringo::io::file> files;
    for (auto at = pipes.rbegin(); at != pipes.rend(); ++at) files.push_back(at->writer);
    const auto child = process::start({.args = child_args({"numbers"}), .files = files});
    EXPECT(child->wait()->success());
    files.clear();
    for (std::size_t i = 0; i < pipes.size(); ++i) {
      EXPECT(!pipes[i].writer.close());
      EXPECT_EQ(read_all(pipes[i].reader), std::to_string(6 - i));
    }
  });
}

TEST_CASE("NT-42: streams that are non-blocking here block in the child") {
  run_freely_on_each([] {
    auto in = *ringo::io::pipe();
    auto out = *ringo::io::pipe();
    const auto child = process::start({.args = child_args({"blocking"}),
                                       .input = in.reader,
                                       .output = out.writer,
                                       .error_output = stdio::pipe()});
    EXPECT(child->wait()->success());
    EXPECT(!out.writer.close());
    EXPECT_EQ(read_all(out.reader), std::string("blocking blocking blocking "));
    // Ours has stayed what it was: a read of nothing gives up, and holds no worker up.
    auto stop = ringo::with_timeout(ringo::background(), std::chrono::milliseconds(1));
    char byte = 0;
    EXPECT(in.reader.read(stop.ctx, {&byte, 1}).error() == ringo::errc::deadline_exceeded);
  });
}

TEST_CASE("NT-45: children inherit what is ignored, and no blocked signal") {
  auto ch = ringo::make_chan<int>(1);
  ringo::os::signal::notify(ch, {SIGUSR1, SIGTERM});
  ringo::os::signal::ignore({SIGUSR2});
  ringo::os::signal::reset({SIGHUP});
  const action_guard hup(SIGHUP, SIG_DFL);
  const action_guard pipe(SIGPIPE, SIG_DFL);
  const action_guard interrupt(SIGINT, SIG_DFL);
  const action_guard quit(SIGQUIT, SIG_DFL);
  run_freely_on_each([] {
    EXPECT_EQ(output_of({.args = child_args({"signals"})}),
              "ignored:" + std::to_string(SIGUSR2) + " ");
  });
  ringo::os::signal::stop(ch);
  ringo::os::signal::reset({SIGUSR2});
}

TEST_CASE("process: many at once, and no descriptor is left") {
  run_freely_on_each([] {
    static_cast<void>(output_of({.args = {"true"}}));
    const std::size_t before = open_descriptors();
    ringo::wait_group group;
    for (std::size_t i = 0; i < sizes::children; ++i) {
      group.go([i] {
        const auto child = process::start({.args = child_args({"exit", std::to_string(i)})});
        EXPECT_EQ(child->wait()->code(), static_cast<int>(i));
      });
    }
    group.wait();
    EXPECT_EQ(open_descriptors(), before);
  });
}

// Were waiting for a child not counted, this would end in the report of a deadlock.
TEST_CASE("GR-15: a child that runs holds the deadlock report back") {
  run_freely_on_each([] { EXPECT(process::start({.args = {"sleep", "0.1"}})->wait()->success()); });
}

TEST_CASE("NT-38: a child gets the soft limit on open files that this process had before") {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const auto given = run_program({.name = "files", .arguments = {"child"}});
  CAPTURE(given.output);
  CHECK(given.printed("child has 300/" + std::to_string(before.rlim_max)));
  const auto changed = run_program({.name = "files", .arguments = {"changed"}});
  CAPTURE(changed.output);
  CHECK(changed.printed("child has 250/" + std::to_string(before.rlim_max)));
}
