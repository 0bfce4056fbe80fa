#pragma once

// What the rivals of read_4k share; go/files.go is the original.

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.hpp"

namespace compare {

constexpr std::int64_t block_size = 4096;
constexpr int cold_readers = 64;
using block = std::array<char, block_size>;

/// The file's blocks in a scattered order. Up to their number, a power of two, each is there once:
/// what was cold stays so.
class scattered_blocks {
 public:
  explicit scattered_blocks(std::int64_t blocks) : mask_(blocks - 1) {}

  // An odd factor leaves none out.
  std::int64_t operator[](std::int64_t i) const { return (i * 0x9E3779B1) & mask_; }

 private:
  std::int64_t mask_;
};

/// Each block begins with its number.
inline void check_block(const block& bytes, std::int64_t number) {
  std::int64_t found = 0;
  std::memcpy(&found, bytes.data(), sizeof found);
  must(found == number, "read_4k");
}

/// Makes the file cold or warm; returns the number of its blocks.
inline std::int64_t prepare(const std::string& path, bool cold) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  must(fd >= 0, "open");
  struct stat info {};
  must(::fstat(fd, &info) == 0, "fstat");
  const std::int64_t blocks = info.st_size / block_size;
  if (cold) {
    must(::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "posix_fadvise");
  } else {
    block bytes;
    while (::read(fd, bytes.data(), bytes.size()) > 0) {
    }
  }
  ::close(fd);
  return blocks;
}

/// Keeps the system from reading ahead.
inline void expect_random_reads(int fd) {
  must(::posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM) == 0, "posix_fadvise");
}

}  // namespace compare
