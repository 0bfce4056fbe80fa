#pragma once

// Files that are gone after the test, and what is in them.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>

#include <ringo/io/file.hpp>

#include "expect.hpp"
#include "seed.hpp"
#include "temporary_directory.hpp"

namespace ringo::test {

inline constexpr io::open_options both{.write = true, .create = true};

inline io::file opened(const std::string& path, const io::open_options& how = {}) {
  auto made = io::file::open(path, how);
  EXPECT_EQ(made.error().message(), std::error_code().message());
  return made ? *std::move(made) : io::file();
}

/// The text at a place; what went wrong otherwise.
inline std::string text_at(const io::file& from, std::int64_t offset, std::size_t size) {
  std::string text(size, '\0');
  const auto got = from.pread(text, offset);
  return got ? text.substr(0, *got) : got.error().message();
}

inline std::string next_text(const io::file& from, std::size_t size) {
  std::string text(size, '\0');
  const auto got = from.read(text);
  return got ? text.substr(0, *got) : got.error().message();
}

/// No two blocks are alike.
inline std::string blocks(std::size_t count) {
  std::string text;
  auto random = generator(count);
  for (std::size_t i = 0; i < count * 512; ++i) {
    const std::uint64_t word = random();
    text.append(reinterpret_cast<const char*>(&word), sizeof word);
  }
  return text;
}

/// What it holds is on the disk only.
inline void make_cold(const io::file& f) {
  EXPECT(!f.sync());
  EXPECT(!f.with_fd([](int fd) { ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); }));
}

}  // namespace ringo::test
