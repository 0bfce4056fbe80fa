// The program's own streams, seen from outside: tests/programs/files.cpp.

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ringo/io/file.hpp>
#include <ringo/os/process.hpp>
#include <ringo/ringo.hpp>

#include "support/children.hpp"
#include "support/files.hpp"
#include "support/run_on.hpp"
#include "support/run_program.hpp"
#include "support/terminal.hpp"

using namespace ringo::test;
using ringo::io::file;
using ringo::os::process;
using ringo::os::stdio;

namespace {

std::string program_path() {
  return std::string(RINGO_PROGRAMS_DIR) + "/program_files";
}

/// How the program ends that has these as its three streams, which are closed here.
int status_of(const char* mode, const std::array<int, 3>& streams) {
  const std::string path = program_path();
  const pid_t child = ::fork();
  if (child == 0) {
    for (int i = 0; i < 3; ++i) ::dup2(streams[static_cast<std::size_t>(i)], i);
    ::execl(path.c_str(), path.c_str(), mode, nullptr);
    ::_exit(1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

}  // namespace

TEST_CASE("standard streams: pipes go in and out, through one handle each") {
  run_on_each([] {
    const auto child = process::start({.args = {program_path(), "copy"},
                                       .input = stdio::pipe(),
                                       .output = stdio::pipe(),
                                       .error_output = stdio::pipe()});
    EXPECT(child.has_value());
    const std::string much = blocks(100);
    auto feeding = ringo::spawn([&] {
      EXPECT(!child->input().write(much));
      EXPECT(!child->input().close());
    });
    EXPECT(read_all(child->output()) == much);
    EXPECT_EQ(read_all(child->error_output()), std::to_string(much.size()) + " bytes\n");
    feeding.join();
    EXPECT(child->wait()->success());
  });
}

TEST_CASE("standard streams: regular files, the output's end included") {
  const temporary_directory room;
  run_on_each([&] {
    const std::string content = blocks(40);
    EXPECT(!ringo::io::write_file(room.path("in"), content));
    EXPECT(!ringo::io::write_file(room.path("out"), "before "));
    const auto child = process::start(
        {.args = {program_path(), "copy"},
         .input = opened(room.path("in")),
         .output = opened(room.path("out"), {.read = false, .write = true, .append = true}),
         .error_output = stdio::pipe()});
    EXPECT(child.has_value());
    EXPECT_EQ(read_all(child->error_output()), std::to_string(content.size()) + " bytes\n");
    EXPECT(child->wait()->success());
    EXPECT(ringo::io::read_file(room.path("out")).value_or("") == "before " + content);
  });
}

TEST_CASE("standard streams: the mode that others share stays as it is") {
  std::array<int, 2> pipe{};
  REQUIRE(::pipe(pipe.data()) == 0);
  const terminal tty;
  CHECK(status_of("modes", {tty.inside(), pipe[1], tty.inside()}) == 0);
  std::string text(100, ' ');
  const ssize_t count = ::read(pipe[0], text.data(), text.size());
  REQUIRE(count > 0);
  CHECK(text.substr(0, static_cast<std::size_t>(count)) == "blocking blocking blocking ");
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST_CASE("file: a write beyond the limit of the process is EFBIG") {
  const auto result = run_program({.name = "files", .arguments = {"limit"}});
  CAPTURE(result.output);
  CHECK(result.exited_with(0));
  CHECK(result.printed("through"));
}

TEST_CASE("NT-38: the soft limit on open files is raised to the hard one at the start") {
  const auto result = run_program({.name = "files", .arguments = {"many"}});
  CAPTURE(result.output);
  CHECK(result.printed("opened 200"));
}

// The pool's threads are ringo's own, and its calls are over.
TEST_CASE("GR-14: a deadlock is reported after calls on files, too") {
  for (const char* const workers : {"1", "2", "8"}) {
    CAPTURE(workers);
    const auto result = run_program({.name = "files",
                                     .arguments = {"deadlock"},
                                     .environment = {std::string("RINGO_MAXPROCS=") + workers}});
    CAPTURE(result.output);
    CHECK(result.exited_with(2));
    CHECK(result.printed("all fibers are asleep - deadlock!"));
  }
}
