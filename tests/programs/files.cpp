// Uses files in ways that end a program, or need one of their own. The first argument says how.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ringo/io/file.hpp>
#include <ringo/os/run_process.hpp>
#include <ringo/ringo.hpp>

#include "support/temporary_directory.hpp"

namespace {

ringo::io::file temporary() {
  const ringo::test::temporary_directory directory;  // gone at once, while the file is open
  auto made = ringo::io::file::from_fd(
      ::open(directory.path("file").c_str(), O_RDWR | O_CREAT | O_EXCL, 0600));
  return made ? *std::move(made) : ringo::io::file();
}

/// A disk has been waited for; the thread that did, if any, is no reason to hope.
void sleep_after_sync() {
  const auto file = temporary();
  for (int i = 0; i < 20; ++i) {
    if (file.write("x") || file.sync()) std::abort();
  }
  ringo::select();
}

void exceed_limit() {
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{.rlim_cur = 100'000, .rlim_max = 100'000};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  const auto file = temporary();
  const std::string much(300'000, 'x');
  const bool right = file.write(much) == std::errc::file_too_large &&
                     file.stat()->size == 100'000 &&
                     file.pwrite("x", 100'000) == std::errc::file_too_large &&
                     file.pwrite(much, 50'000) == std::errc::file_too_large &&
                     file.truncate(200'000) == std::errc::file_too_large;
  std::puts(right ? "through" : "wrong");
}

/// Copies its input to its output, and says on standard error how much that was.
void copy_streams() {
  const auto in = ringo::io::standard_input();
  const auto out = ringo::io::standard_output();
  std::string text(10'000, ' ');
  std::size_t total = 0;
  for (;;) {
    const auto count = in.read(text);
    if (!count) break;
    total += *count;
    if (out.write(ringo::io::const_buffer(text.data(), *count))) std::abort();
  }
  const bool same = in == ringo::io::standard_input() && out == ringo::io::standard_output();
  const std::string said = std::to_string(total) + (same ? " bytes\n" : " bytes, mistaken\n");
  if (ringo::io::standard_error().write(said)) std::abort();
}

/// Whether each is in blocking mode afterwards.
void print_modes() {
  static_cast<void>(ringo::io::standard_input());
  static_cast<void>(ringo::io::standard_output());
  static_cast<void>(ringo::io::standard_error());
  for (int fd = 0; fd < 3; ++fd) {
    std::fputs((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 ? "non-blocking " : "blocking ", stdout);
  }
}

/// More files than the soft limit allows at first.
void open_many() {
  int opened = 0;
  std::vector<ringo::io::file> all;
  while (opened < 200) {
    auto one = ringo::io::file::open("/dev/null");
    if (!one) break;
    all.push_back(*std::move(one));
    ++opened;
  }
  std::printf("opened %d\n", opened);
}

void set_soft_limit(rlim_t soft) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) std::abort();
  limit.rlim_cur = soft;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) std::abort();
}

/// What a child of ours is told; see child.cpp, which is where this program is.
void print_limit_of_child(std::string path) {
  path.resize(path.rfind('/'));
  const auto run = ringo::os::run_process({.args = {path + "/program_child", "open_files"}});
  std::printf("child has %s\n", run ? run->output.c_str() : "not run");
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "many") set_soft_limit(100);
  if (mode == "child" || mode == "changed") set_soft_limit(300);
  ringo::run([mode, argv] {
    if (mode == "deadlock") sleep_after_sync();
    if (mode == "limit") exceed_limit();
    if (mode == "copy") copy_streams();
    if (mode == "modes") print_modes();
    if (mode == "many") open_many();
    if (mode == "changed") set_soft_limit(250);
    if (mode == "child" || mode == "changed") print_limit_of_child(argv[0]);
  });
  return 0;
}
