#include "net/watched_file.hpp"

#include <cerrno>
#include <cstddef>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ringo/blocking.hpp>

namespace ringo::net::detail {
namespace {

constexpr std::size_t size_max = std::size_t{16} << 20;  // no such file is meant to be larger

file_state state_from(const struct stat& of) {
  return {static_cast<std::int64_t>(of.st_dev),
          static_cast<std::int64_t>(of.st_ino),
          of.st_size,
          of.st_mtim.tv_sec,
          of.st_mtim.tv_nsec,
          of.st_ctim.tv_sec,
          of.st_ctim.tv_nsec};
}

}  // namespace

file_state state_of(const std::string& path) {
  struct stat now {};
  return ::stat(path.c_str(), &now) == 0 ? state_from(now) : file_state{};
}

std::pair<std::string, file_state> read_file(const std::string& path) {
  std::pair<std::string, file_state> read;
  blocking([&] {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return;
    struct stat now {};
    // The state goes first: what is written while we read changes it, and is read the next time.
    if (::fstat(fd, &now) == 0) read.second = state_from(now);
    std::array<char, 4096> chunk{};
    while (read.first.size() < size_max) {
      const ssize_t n = ::read(fd, chunk.data(), chunk.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      read.first.append(chunk.data(), static_cast<std::size_t>(n));
    }
    ::close(fd);
  });
  return read;
}

}  // namespace ringo::net::detail
