// Writes to a pipe without a reader: by descriptor 1 or 2, as the first argument says, or by a free
// one for 3. Exits with 10 if that is EPIPE, 11 if SIGPIPE came too.

#include <chrono>
#include <cstdlib>
#include <string_view>
#include <system_error>

#include <unistd.h>

#include <ringo/chan.hpp>
#include <ringo/context.hpp>
#include <ringo/io/file.hpp>
#include <ringo/os/signal.hpp>
#include <ringo/runtime.hpp>

namespace {

int write_to(int fd, std::string_view mode) {
  auto ch = ringo::make_chan<int>(1);
  if (mode == "notify") ringo::os::signal::notify(ch, {SIGPIPE});
  if (mode == "ignore") ringo::os::signal::ignore({SIGPIPE});
  int ends[2];
  if (::pipe(ends) != 0) return 1;
  ::close(ends[0]);
  if (fd > STDERR_FILENO) {
    fd = ends[1];  // the number itself may be the runtime's
  } else if (::dup2(ends[1], fd) != fd) {
    return 1;
  }
  const auto file = ringo::io::file::from_fd(fd);
  if (!file) return 1;
  if (file->write("x") != std::errc::broken_pipe) return 1;
  if (mode != "notify") return 10;
  const auto patience = ringo::with_timeout(ringo::background(), std::chrono::seconds(10));
  return ch.recv(patience.ctx) ? 11 : 10;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 1;
  const int fd = std::atoi(argv[1]);
  const std::string_view mode = argv[2];
  return ringo::run([=] { return write_to(fd, mode); });
}
