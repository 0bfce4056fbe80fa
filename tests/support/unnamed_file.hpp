#pragma once

#include <cstdio>

#include <fcntl.h>

namespace ringo::test {

/// The number of an empty file, for reading and writing, which goes with its last number; the
/// caller's. -1: the system refuses.
inline int unnamed_file_number() {
  std::FILE* const made = std::tmpfile();
  if (made == nullptr) return -1;
  const int fd = ::fcntl(::fileno(made), F_DUPFD_CLOEXEC, 0);
  std::fclose(made);
  return fd;
}

}  // namespace ringo::test
