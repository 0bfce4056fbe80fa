// What is in directories.

#include <ringo/io/read_dir.hpp>

#include <doctest/doctest.h>

#include <string>
#include <system_error>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include <ringo/context.hpp>
#include <ringo/io/file.hpp>
#include <ringo/ringo.hpp>

#include "support/files.hpp"
#include "support/run_on.hpp"

using namespace ringo::test;
using ringo::io::file_kind;
using ringo::io::read_dir;

TEST_CASE("read_dir: names come sorted, each with its kind") {
  const temporary_directory room;
  run_on_each([&] {
    EXPECT(read_dir(room.path()).value_or(std::vector<ringo::io::directory_entry>(1)).empty());
    EXPECT(!ringo::io::write_file(room.path("b"), "x"));
    EXPECT(!ringo::io::write_file(room.path(".hidden"), "x"));
    EXPECT(::mkdir(room.path("a").c_str(), 0700) == 0);
    EXPECT(::symlink("nowhere", room.path("link").c_str()) == 0);
    EXPECT(::mkfifo(room.path("fifo").c_str(), 0600) == 0);
    EXPECT(!ringo::io::write_file(room.path("B"), "x"));
    const auto entries = read_dir(room.path());
    EXPECT(entries.has_value());
    std::string seen;
    for (const auto& entry : *entries) {
      seen += entry.name + ':' + std::to_string(static_cast<int>(entry.kind)) + ' ';
    }
    EXPECT_EQ(seen, ".hidden:1 B:1 a:2 b:1 fifo:4 link:3 ");
    static_assert(static_cast<int>(file_kind::pipe) == 4);
    for (const auto& entry : *entries) {
      EXPECT((entry.kind == file_kind::directory ? ::rmdir(room.path(entry.name).c_str())
                                                 : ::unlink(room.path(entry.name).c_str())) == 0);
    }
  });
}

TEST_CASE("read_dir: a large directory is read to its end") {
  const temporary_directory room;
  for (int i = 0; i < 2'000; ++i) {
    CHECK(::mkdir(room.path("entry-" + std::to_string(10'000 + i)).c_str(), 0700) == 0);
  }
  run_on_each([&] {
    const auto entries = read_dir(room.path());
    EXPECT(entries.has_value());
    EXPECT_EQ(entries->size(), 2'000U);
    EXPECT_EQ(entries->front().name, "entry-10000");
    EXPECT_EQ(entries->back().name, "entry-11999");
  });
}

TEST_CASE("read_dir: errors, and a context that is done") {
  const temporary_directory room;
  run_on_each([&] {
    EXPECT(!ringo::io::write_file(room.path("f"), "x"));
    EXPECT(read_dir(room.path("no")).error() == std::errc::no_such_file_or_directory);
    EXPECT(read_dir(room.path("f")).error() == std::errc::not_a_directory);
    EXPECT(read_dir(room.path() + '\0').error() == std::errc::invalid_argument);
    auto [ctx, cancel] = ringo::with_cancel(ringo::background());
    EXPECT(read_dir(ctx, room.path())->size() == 1);
    cancel();
    EXPECT(read_dir(ctx, room.path()).error() == ringo::errc::canceled);
  });
}
