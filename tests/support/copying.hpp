#pragma once

// What tests of copies are made of: files without a name, bytes that tell where they belong, and
// descriptors to be counted.

#include <cstddef>
#include <string>

#include <dirent.h>
#include <unistd.h>

#include <ringo/error.hpp>
#include <ringo/io/file.hpp>

#include "expect.hpp"
#include "unnamed_file.hpp"

namespace ringo::test {

inline std::string pattern(std::size_t size, unsigned seed = 0) {
  std::string made(size, ' ');
  for (std::size_t i = 0; i < size; ++i) {
    made[i] = static_cast<char>(((i + seed) * 2'654'435'761U) >> 24);
  }
  return made;
}

/// An empty file that goes with its last handle.
inline io::file unnamed_file() {
  return io::file::from_fd(unnamed_file_number()).value();
}

inline void seek(const io::file& in, off_t to) {
  EXPECT(!in.with_fd([to](int fd) { ::lseek(fd, to, SEEK_SET); }));
}

inline off_t position_of(const io::file& of) {
  off_t at = -1;
  EXPECT(!of.with_fd([&at](int fd) { at = ::lseek(fd, 0, SEEK_CUR); }));
  return at;
}

inline void resize(const io::file& it, off_t size) {
  EXPECT(!it.with_fd([size](int fd) { EXPECT(::ftruncate(fd, size) == 0); }));
}

/// With what is to be read, from the beginning.
inline io::file file_with(const std::string& text) {
  io::file made = unnamed_file();
  EXPECT(!made.write(text));
  seek(made, 0);
  return made;
}

/// All until the end of the stream, or until `enough`.
template <typename Stream>
std::string read_up_to(const Stream& from, std::size_t enough = std::string::npos) {
  std::string all;
  std::string part(70'000, ' ');
  while (all.size() < enough) {
    const auto n = from.read(part);
    if (!n) {
      EXPECT(n.error() == ringo::errc::eof);
      break;
    }
    all.append(part, 0, *n);
  }
  return all;
}

inline std::size_t open_descriptors() {
  DIR* const all = ::opendir("/proc/self/fd");
  std::size_t count = 0;
  while (::readdir(all) != nullptr) ++count;
  ::closedir(all);
  return count;
}

}  // namespace ringo::test
