// The code of docs/guide/io_net.md about files.

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <ringo/io/buffered_reader.hpp>
#include <ringo/io/file.hpp>
#include <ringo/ringo.hpp>

#include "support/files.hpp"
#include "support/run_on.hpp"

using namespace ringo::test;

namespace {

//! [read]
/// The lines of a file that have the word in them.
ringo::result<std::vector<std::string>> find(const std::string& path, std::string_view word) {
  const auto file = ringo::io::file::open(path);
  if (!file) return file.error();
  std::vector<std::string> found;
  ringo::io::buffered_reader reader(*file);
  for (;;) {
    const auto line = reader.read_line();
    if (line.error() == ringo::errc::eof) return found;
    if (!line) return line.error();
    if (line->find(word) != std::string_view::npos) found.emplace_back(*line);
  }
}
//! [read]

//! [write]
/// Whoever looks finds the old text or the new one, also after a crash.
std::error_code replace(const std::string& path, std::string_view text) {
  const std::string fresh = path + ".new";
  const auto file = ringo::io::file::open(
      fresh, {.write = true, .create = true, .truncate = true, .permissions = 0600});
  if (!file) return file.error();
  if (const auto error = file->write(text)) return error;
  if (const auto error = file->sync()) return error;
  std::error_code failed;
  std::filesystem::rename(fresh, path, failed);
  return failed;
}
//! [write]

}  // namespace

TEST_CASE("guide: files are replaced, and searched") {
  const temporary_directory room;
  run_on_each([&] {
    EXPECT(!replace(room.path("f"), "one fish\ntwo birds\nred fish\n"));
    const auto found = find(room.path("f"), "fish");
    EXPECT(found.has_value());
    EXPECT(*found == std::vector<std::string>{"one fish", "red fish"});
    EXPECT(find(room.path("g"), "").error() == std::errc::no_such_file_or_directory);
  });
}
